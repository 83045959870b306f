"""Fill a database with a fleet to measure the console on: `python -m tests.load.load_data --help`.

What was interrupted goes on with the same options; with others, or with --anew, everything is made from scratch. A database
that was not filled by this program is refused, unless there is nothing in it.
"""

import argparse
import secrets
import signal
import sys
import time
from typing import Any

import psycopg

from tests.demo.places import DemoError
from tests.load.fleet import place
from tests.load.fleet.plan import Plan, now_floored
from tests.servers import ServerFailedError, Unavailable

# Data of more than this age shows nothing for the last hour.
STALE_SECONDS = 3600


class LoadError(Exception):
    """Something the person at the terminal has to know or do; shown without a traceback."""


def options() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = Plan(now_floored())
    for name, text in (
        ("collectors", "collectors in all"),
        ("fingerprints", "fingerprints in all"),
        ("days", "days of numbers"),
        ("bucket-days", "days of them in buckets of five minutes too"),
        ("databases", "databases with statements"),
        ("statements", "statements of each of them"),
        ("seed", "what the random choices begin with"),
    ):
        default = getattr(defaults, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument("--anew", action="store_true", help="make everything from scratch")
    parser.add_argument("--hold", action="store_true", help="keep the private PostgreSQL running until Ctrl-C")
    return parser.parse_args()


def fill(url: str, chosen: argparse.Namespace) -> None:
    """Make what is not there yet."""
    wanted = Plan(
        now_floored(),
        **{
            name: getattr(chosen, name)
            for name in ("collectors", "fingerprints", "days", "bucket_days", "databases", "statements", "seed")
        },
    )
    begun = _begun(url)
    if begun is not None and (chosen.anew or not begun.is_like(wanted)):
        _empty(url)
        begun = None
    plan = begun or wanted
    import django

    django.setup()
    from tests.load.fleet import loading

    if begun is None:
        _prepare(url, plan)
    steps = _steps(plan, password_of(url))
    with psycopg.connect(url, autocommit=True) as connection:
        done = {str(row[0]) for row in connection.execute("SELECT name FROM load_data.steps")}
    if missing := [step for step in steps if step.name not in done]:
        print(
            f"{len(missing)} of {len(steps)} steps to do, numbers from {plan.begins_at} to {plan.ends_at}", flush=True
        )
        loading.run(url, plan, steps)
    finish(url, analyze=bool(missing))
    report(url, plan)


def finish(url: str, *, analyze: bool) -> None:
    """Let the fleet be alive now, and the planner know it."""
    from tests.load.fleet import watched

    with psycopg.connect(url, autocommit=True) as connection:
        watched.freshen(connection.cursor())
        if analyze:
            print("VACUUM ANALYZE ...", flush=True)
            connection.execute("VACUUM ANALYZE")
            _renew_brin(connection)


def _renew_brin(connection: psycopg.Connection) -> None:
    """Make the indexes by time anew: autovacuum, which VACUUM sends away, may have left one of their ranges half done.

    PostgreSQL takes every range behind such a one for a match (docs/scale.md).
    """
    indexes = connection.execute(
        "SELECT oid::regclass::text FROM pg_class "
        "WHERE relkind = 'I' AND relam = (SELECT oid FROM pg_am WHERE amname = 'brin') ORDER BY 1"
    ).fetchall()
    for (index,) in indexes:
        connection.execute(f"REINDEX INDEX {index}".encode())


def report(url: str, plan: Plan) -> None:
    """Print who may sign in, how much there is, and what is known of its age."""
    from tests.load.fleet import people

    with psycopg.connect(url, autocommit=True) as connection:
        print("\ntable                                rows        size")
        sizes = connection.execute(
            """
            SELECT coalesce(p.inhparent::regclass::text, c.relname) AS name, sum(greatest(c.reltuples, 0))::bigint,
                sum(pg_total_relation_size(c.oid)) AS bytes
            FROM pg_class c LEFT JOIN pg_inherits p ON p.inhrelid = c.oid
            WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY name HAVING sum(c.reltuples) > 0 ORDER BY bytes DESC
            """
        ).fetchall()
        for name, rows, size in sizes:
            print(f"{name:<30} {rows:>12,} {size / 2**20:>8,.0f} MB")
        total = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        print(f"in all {total[0] / 2**30:.1f} GB" if total else "")
    print(
        f"\nNumbers of {plan.databases} databases: days and hours from {plan.begins_at:%Y-%m-%d}, buckets from "
        f"{plan.buckets_since:%Y-%m-%d} on (a period that begins or ends within an hour before that lacks that hour's part), "
        f"slow queries from {plan.slow_queries_since:%Y-%m-%d}; until {plan.ends_at:%Y-%m-%d %H:%M} UTC"
    )
    if (now_floored() - plan.ends_at).total_seconds() > STALE_SECONDS:
        print("That was a while ago: the shortest periods are empty. --anew (ANEW=1) makes everything anew.")
    print("\nSign in with the password", password_of(url), "as")
    for role, where, email in people.logins(plan):
        print(f"  {role:<12} {where:<28} {email}")
    print(f"\nDATABASE_URL={url}\nDBPOWER_DATA_DIR={place.home() / 'data'}", flush=True)


def plan_of(url: str) -> Plan:
    """Return what a database was filled with."""
    begun = _begun(url)
    if begun is None:
        raise LoadError("There is no fleet yet: make load-data")
    return begun


def _steps(plan: Plan, password: str) -> list[Any]:
    from django.contrib.auth.hashers import make_password

    from tests.load.fleet import audits, costs, known, people, texts, uploaded, watched

    # The order is that of dependencies: databases need teams, commands need people.
    first, *later = people.steps(plan, make_password(password))
    return [
        first,
        *watched.steps(plan)[:4],
        *later,
        *watched.steps(plan)[4:],
        *audits.steps(plan),
        *texts.steps(plan),
        *costs.steps(plan),
        *known.steps(plan),
        *uploaded.steps(plan),
    ]


def _begun(url: str) -> Plan | None:
    """Return the plan of a fleet that was begun here; None where nothing is. Anything else in the database is refused."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('load_data.run')").fetchone() != (None,):
            row = connection.execute("SELECT plan FROM load_data.run").fetchone()
            return Plan.from_json(row[0]) if row else None
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if tables and tables[0]:
        raise LoadError("This database holds something else. Name an empty one in DATABASE_URL.")
    return None


def _empty(url: str) -> None:
    print("removing what is there ...", flush=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS load_data CASCADE")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _prepare(url: str, plan: Plan) -> None:
    """Migrate, make the partitions as the product makes them, and note what is begun."""
    from django.core.management import call_command

    from collectors.services import storage
    from tests.load.fleet.loading import SCHEMA

    print("migrating ...", flush=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(
            "INSERT INTO load_data.run VALUES (%s, %s)",
            [plan.as_json(), "-".join(secrets.token_hex(2) for _ in range(4))],
        )
    call_command("migrate", interactive=False, verbosity=0)
    storage.maintain()


def password_of(url: str) -> str:
    """Return the password with which everybody signs in."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT password FROM load_data.run").fetchone()
    assert row is not None
    return str(row[0])


def main() -> int:
    """Return the exit status."""
    chosen = options()
    # Whoever starts this in the background of a script leaves SIGINT ignored, and Python then keeps it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with place.database() as url:
            fill(url, chosen)
            while chosen.hold:
                time.sleep(3600)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here")
    except (LoadError, DemoError, Unavailable, ServerFailedError, psycopg.Error) as error:
        print(f"\nload-data failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
