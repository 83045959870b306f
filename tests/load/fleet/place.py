"""Where the fleet lives: DATABASE_URL, or a private PostgreSQL whose data is kept under `var/load`."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.demo.databases import kept_port
from tests.demo.places import Places
from tests.servers import PostgreSQL
from tests.servers.process import Account

REPOSITORY: Final = Path(__file__).resolve().parents[3]
NAME: Final = "dbpower"
# What docs/scale.md recommends: most of it what PostgreSQL's own documentation advises for a machine of its own with 4 GB.
SETTINGS: Final[Mapping[str, str]] = {
    "shared_buffers": "1GB",
    "effective_cache_size": "3GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "random_page_cost": "1.1",
    "track_io_timing": "on",
    "jit": "off",
    # Of two cores: whoever asks works as well.
    "max_parallel_workers_per_gather": "1",
}


def home() -> Path:
    """Return the folder of a fleet: DBPOWER_LOAD_DIR, or `var/load` in the repository."""
    return Path(os.environ.get("DBPOWER_LOAD_DIR") or REPOSITORY / "var" / "load").resolve()


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Yield the address of the database: the one that DATABASE_URL names, or a private server's that runs meanwhile.

    The environment names it too, with a data folder of the fleet's own, so that Django's settings can be read afterwards.
    """
    own = home()
    os.environ["DBPOWER_DATA_DIR"] = str(own / "data")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dbpower.settings")
    os.environ.setdefault("DBPOWER_LOG_LEVEL", "WARNING")
    os.environ.pop("REDIS_URL", None)
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    # A place of the same kind as the demo's: elsewhere when the servers' user cannot enter the repository.
    places = Places(own)
    own.mkdir(parents=True, exist_ok=True)
    with places.locked():
        folder = places.database_folder("postgresql", Account.for_servers(*PostgreSQL.accounts))
        with PostgreSQL(data=folder, port=kept_port(folder), settings=SETTINGS) as server:
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]):
                server.create_database(NAME)
            os.environ["DATABASE_URL"] = server.url(NAME)
            try:
                yield server.url(NAME)
            finally:
                os.environ.pop("DATABASE_URL", None)


def remove() -> None:
    """Remove a private server's data."""
    places = Places(home())
    with places.locked():
        shutil.rmtree(places.home / "postgresql", ignore_errors=True)
        places.remove()
