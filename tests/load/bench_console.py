"""How long the pages of the console take with a large fleet: `python -m tests.load.bench_console --help`.

The data is what `make load-data` made. The pages are found by following the console's links as each kind of person; each is
asked for several times through the web server, one request at a time, and once more in this process, where its statements
are counted. A trivial request is measured in the same run: on another machine compare the ratios. "CPU" is the processor time
of web server and database for one request, which says more than the clock when the machine has other work.
"""

import argparse
import os
import re
import signal
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from tests.demo.places import DemoError
from tests.load.fleet import console, place, walk
from tests.load.fleet.console import Meter, Visitor
from tests.load.load_data import LoadError, finish, password_of, plan_of
from tests.servers import ServerFailedError, Unavailable

LIMIT_MS: Final = 300
_TRIVIAL: Final = "/health/live"
_TRIVIAL_ROUNDS: Final = 100
# A page that takes long is asked for less often.
_BUDGET_MS: Final = 8_000


@dataclass
class Measured:
    """One kind of page for one person."""

    kind: str
    address: str
    who: str
    status: int = 0
    size: int = 0
    times: list[float] = field(default_factory=list)
    cpu: float = 0.0
    statements: list[tuple[float, str]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median in milliseconds."""
        return statistics.median(self.times)

    @property
    def high(self) -> float:
        """What 95 of 100 requests stay below, as far as so few can tell."""
        return max(self.times) if len(self.times) < 20 else statistics.quantiles(self.times, n=20)[-1]

    @property
    def is_over(self) -> bool:
        """Whether it is a page that takes too long. Downloads are told, but not held to the limit."""
        return self.median > LIMIT_MS and not walk.DOWNLOAD.search(self.kind)

    def line(self, trivial: float) -> str:
        """Return its line of the table."""
        mark = "OVER" if self.is_over else "download" if walk.DOWNLOAD.search(self.kind) else ""
        return (
            f"{self.kind:<76} {self.who:<12} {self.median:7.0f} {self.high:7.0f} {self.median / trivial:7.0f} "
            f"{self.cpu:7.0f} {len(self.statements):4} {self.size / 1024:7.0f}  {'' if self.status == 200 else self.status} {mark}"
        )


HEAD: Final = f"{'page':<76} {'who':<12} {'median':>7} {'95 %':>7} {'ratio':>7} {'CPU':>7} {'SQL':>4} {'kB':>7}"


def options() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="requests for each page (default: %(default)s)")
    parser.add_argument("--only", default="", help="a regular expression of pages, such as '/collector/'")
    parser.add_argument(
        "--skip", default="", help="a regular expression of pages that are not even looked at for links"
    )
    parser.add_argument("--who", default="", help="roles, separated by commas (default: all)")
    parser.add_argument("--statements", action="store_true", help="show the slowest statements of slow pages")
    return parser.parse_args()


def bench(url: str, chosen: argparse.Namespace) -> None:
    """Measure, and print the table."""
    from tests.load.fleet import opened, people

    plan, password = plan_of(url), password_of(url)
    finish(url, analyze=False)
    found: list[Measured] = []
    first = opened.addresses(url, plan)
    with console.served(url) as (address, meter):
        trivial = _trivial(address)
        print(
            _about(url), f"trivial request: {trivial:.1f} ms; limit {LIMIT_MS} ms; data until {plan.ends_at}", sep="\n"
        )
        print(HEAD, flush=True)
        for role, _, email in people.logins(plan):
            if chosen.who and role not in chosen.who.split(","):
                continue
            visitor = Visitor(address, email, password)
            count = _counter(email)
            for kind, path in walk.addresses(visitor.content, first=first, skip=chosen.skip).items():
                if not re.search(chosen.only, kind):
                    continue
                measured = _measure(visitor, Measured(kind, path, role), chosen.rounds, meter)
                measured.statements = count(path)
                found.append(measured)
                print(measured.line(trivial), flush=True)
    _summarize(found, trivial, show=chosen.statements)


def _trivial(address: str) -> float:
    nobody = Visitor(address, "", "")
    return statistics.median(nobody.timed(_TRIVIAL)[0] for _ in range(_TRIVIAL_ROUNDS))


def _measure(visitor: Visitor, measured: Measured, rounds: int, meter: Meter) -> Measured:
    """Ask once to warm up, then as often as wanted; each of the two workers will have answered."""
    first, answer = visitor.timed(measured.address)
    measured.status, measured.size = answer.status_code, len(answer.content)
    used = meter.milliseconds()
    for _ in range(max(2, min(rounds, int(_BUDGET_MS / max(1.0, first))))):
        measured.times.append(visitor.timed(measured.address)[0])
    # A connection that ended meanwhile takes what it used with it.
    measured.cpu = max(0.0, meter.milliseconds() - used) / len(measured.times)
    return measured


def _counter(email: str) -> Any:
    """Return a function that asks for a page in this process and returns its statements with their milliseconds."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from collectors.models import User

    client = Client(headers={"host": "localhost"}, raise_request_exception=False)
    client.force_login(User.objects.get(email=email))

    def count(path: str) -> list[tuple[float, str]]:
        with CaptureQueriesContext(connection) as captured:
            answer: Any = client.get(path, headers=walk.headers(path))
            if answer.streaming:
                for _ in answer.streaming_content:
                    pass
        return [(1000 * float(query["time"]), query["sql"]) for query in captured.captured_queries]

    return count


def _about(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), current_setting('shared_buffers')"
        ).fetchone()
    cores = len(os.sched_getaffinity(0))
    return (
        f"PostgreSQL {row[0]} with {row[1]} of shared buffers, {console.WORKERS} web processes, {cores} cores"
        if row
        else ""
    )


def _summarize(found: list[Measured], trivial: float, *, show: bool) -> None:
    slow = sorted((page for page in found if page.is_over), key=lambda page: -page.median)
    print(f"\n{len(found)} pages, {len(slow)} over {LIMIT_MS} ms at the median", end="")
    if found:
        medians = [page.median for page in found]
        print(f"; median of all {statistics.median(medians):.0f} ms, slowest {max(medians):.0f} ms", end="")
    print()
    for page in slow:
        print(page.line(trivial))
        print("\n".join(_waited_for(page)) if show else "", end="\n" if show else "")


def _waited_for(page: Measured) -> Iterator[str]:
    for took, sql in sorted(page.statements, reverse=True)[:2]:
        yield f"    {took:6.0f} ms  {sql[:1500]}"


def main() -> int:
    """Return the exit status: 0 whatever was measured."""
    chosen = options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with place.database() as url:
            plan_of(url)
            import django

            django.setup()
            bench(url, chosen)
    except KeyboardInterrupt:
        print("stopped")
    except (LoadError, DemoError, Unavailable, ServerFailedError, psycopg.Error) as error:
        print(f"\nbench-console failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
