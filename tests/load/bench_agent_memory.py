"""The most memory an agent holds with a slow log of so many rows: `python -m tests.load.bench_agent_memory --rows N`."""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.agent.conftest import mysql_site
from tests.agent.counting import CountingBackend
from tests.agent.loads import fill_slow_log
from tests.agent.test_agent_memory import peak_of
from tests.servers.mariadb import MariaDB


def all_of(rows: int, backend: CountingBackend) -> bool:
    return backend.rows_seen == rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with MariaDB() as server, tempfile.TemporaryDirectory() as folder:
        for rows in (1_000, options.rows):
            site = mysql_site(server)
            fill_slow_log(site, rows)
            began = time.monotonic()
            state = Path(folder) / str(rows)
            peak = peak_of("mysql", site.db_config, state, partial(all_of, rows), seconds=900)
            print(f"{rows:>9,} rows: peak {peak / 1000:.1f} MB, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
