"""Load whose statements are known: each connection runs them one after the other and counts those that were answered."""

import bisect
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.servers import MariaDB, MySQL, PostgreSQL

# PostgreSQL tells statements apart by their shape, not by their aliases, and keeps the first text it saw: these shapes are
# nobody else's on a server that several tests share.
POSTGRESQL: Sequence[str] = (
    "SELECT count(*) AS load_count FROM generate_series(1, {number}) AS load_series (n) WHERE n % 7 >= 0",
    "SELECT n AS load_rows FROM generate_series(1, {number}) AS load_series (n) WHERE n % 7 >= 0",
    "SELECT upper(md5('{number}'::text)) AS load_text",
    "SELECT sum(load_value.v) FROM (VALUES ({number}), (2)) AS load_value (v) WHERE load_value.v % 7 >= 0",
)
# A hundredth of a second is what the private servers call slow.
MYSQL: Sequence[str] = (
    "SELECT SLEEP(0.011) AS load_alone, {number}",
    "SELECT SLEEP(0.006), 'load {number}' AS load_rows UNION ALL SELECT SLEEP(0.006), '{number}'",
    "SELECT /* a comment */ SLEEP(0.0{number}1) AS load_longer",
)


class Load:
    """Runs statements drawn with a seed, `pause` seconds apart in each session of `going_on`.

    `answered` counts by template what the server has answered, `unanswered` what it may have run before the connection
    broke; `answered_at` are the moments of the answers (monotonic seconds, ascending).
    """

    def __init__(
        self, connect: Callable[[], Any], templates: Sequence[str], *, seed: int = 1, pause: float = 0.004
    ) -> None:
        self._connect = connect
        self.templates = templates
        self._seed = seed
        self._pause = pause
        self.answered: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.answered_at: list[float] = []
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
                while not self._ended.wait(self._pause):
                    self._one(connection, draw)
            self._ended.wait(0.05)

    def answered_since(self, moment: float) -> int:
        """Return how many statements were answered after `moment` (monotonic seconds)."""
        with self._lock:
            return len(self.answered_at) - bisect.bisect_right(self.answered_at, moment)

    def _one(self, connection: Any, draw: random.Random) -> None:
        template = draw.choice(self.templates)
        cursor = connection.cursor()
        try:
            cursor.execute(template.format(number=draw.randint(1, 9)))
            cursor.fetchall()
        except Exception:
            with self._lock:
                self.unanswered[template] += 1
            raise
        with self._lock:
            self.answered[template] += 1
            self.answered_at.append(time.monotonic())


def load_of(server: PostgreSQL | MariaDB | MySQL, *, seed: int = 1, pause: float = 0.004) -> Load:
    """Return load that the server counts or logs."""
    if isinstance(server, PostgreSQL):
        return postgresql_load(server, seed=seed, pause=pause)
    return mysql_load(server, seed=seed, pause=pause)


def postgresql_load(server: PostgreSQL, *, seed: int = 1, pause: float = 0.004) -> Load:
    """Return load for PostgreSQL, run by the superuser."""
    return Load(server.connect, POSTGRESQL, seed=seed, pause=pause)


def mysql_load(server: MariaDB | MySQL, *, seed: int = 1, pause: float = 0.004) -> Load:
    """Return load for MySQL or MariaDB, all of which the server logs as slow."""
    return Load(server.connect, MYSQL, seed=seed, pause=pause)
