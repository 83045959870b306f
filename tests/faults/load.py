"""Load whose statements are known: each connection runs them one after the other and counts those that were answered."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.servers import MariaDB, MySQL, PostgreSQL

POSTGRESQL: Sequence[str] = (
    "SELECT count(*) AS load_count FROM generate_series(1, {number})",
    "SELECT x AS load_rows FROM generate_series(1, {number}) AS x",
    "SELECT '{number}'::text AS load_text",
    "SELECT load_value.v FROM (VALUES ({number}), (2)) AS load_value (v)",
)
# A hundredth of a second is what the private servers call slow.
MYSQL: Sequence[str] = (
    "SELECT SLEEP(0.011) AS load_alone, {number}",
    "SELECT SLEEP(0.006), 'load {number}' AS load_rows UNION ALL SELECT SLEEP(0.006), '{number}'",
    "SELECT /* a comment */ SLEEP(0.0{number}1) AS load_longer",
)


class Load:
    """Runs statements drawn with a seed. `answered` counts by template what the server has answered."""

    def __init__(self, connect: Callable[[], Any], templates: Sequence[str], *, seed: int = 1) -> None:
        self._connect = connect
        self._templates = templates
        self._seed = seed
        self.answered: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._running: list[threading.Thread] = []

    def run(self, count: int) -> None:
        """Run that many statements, now."""
        draw = random.Random(f"{self._seed} {sum(self.answered.values())}")
        with self._connect() as connection:
            for _ in range(count):
                self._one(connection, draw)

    @contextlib.contextmanager
    def going_on(self, threads: int = 2) -> Iterator[None]:
        """Run statements from several sessions until the block ends; a session that breaks is opened again."""
        self._ended.clear()
        self._running = [threading.Thread(target=self._go_on, args=(number,)) for number in range(threads)]
        for thread in self._running:
            thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """End the sessions of `going_on` and wait until they have."""
        self._ended.set()
        for thread in self._running:
            thread.join(30)

    def _go_on(self, number: int) -> None:
        draw = random.Random(f"{self._seed} session {number}")
        while not self._ended.is_set():
            # The server may be killed or restarted at any moment: whatever a driver then says, try again.
            with contextlib.suppress(Exception), self._connect() as connection:
                while not self._ended.wait(0.004):
                    self._one(connection, draw)
            self._ended.wait(0.05)

    def _one(self, connection: Any, draw: random.Random) -> None:
        template = draw.choice(self._templates)
        cursor = connection.cursor()
        cursor.execute(template.format(number=draw.randint(1, 9)))
        cursor.fetchall()
        with self._lock:
            self.answered[template] += 1


def load_of(server: PostgreSQL | MariaDB | MySQL, *, seed: int = 1) -> Load:
    """Return load that the server counts or logs."""
    return postgresql_load(server, seed=seed) if isinstance(server, PostgreSQL) else mysql_load(server, seed=seed)


def postgresql_load(server: PostgreSQL, *, seed: int = 1, templates: Sequence[str] = POSTGRESQL) -> Load:
    """Return load for PostgreSQL, run by the superuser."""
    return Load(server.connect, templates, seed=seed)


def mysql_load(server: MariaDB | MySQL, *, seed: int = 1, templates: Sequence[str] = MYSQL) -> Load:
    """Return load for MySQL or MariaDB, all of which the server logs as slow."""
    return Load(server.connect, templates, seed=seed)
