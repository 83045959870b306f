"""Statements and what they cost: drawn bucket by bucket for the last days, hour by hour before, and rolled up from there.

How often a statement runs falls with its rank in its database, as in real fleets: the first runs all the time, most only now
and then. Hours are the sums of their buckets where these are here, days are the sums of their hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from collectors.domain import periods
from collectors.domain.counters import COUNTERS
from tests.load.fleet import sketches
from tests.load.fleet.loading import Cursor, Step, keep_counting
from tests.load.fleet.plan import Plan, Tenant
from tests.load.fleet.watched import has_digests

# How much time one step takes: whole days, on which everything else begins too.
_STRETCH: Final = timedelta(days=1)
# Of the statements of a database with performance_schema, so many are in its slow log too.
_LOGGED: Final = 30
# In eight executions each of these parts of the mean happens once; the times of single executions follow them too.
PATTERN: Final = (0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 1.9)
_PREFIXES: Final = ", ".join(f"{sum(PATTERN[:n]):.1f}" for n in range(len(PATTERN)))

SETUP: Final = f"""
CREATE TABLE load_data.statements (
    id bigint PRIMARY KEY, organization_id bigint NOT NULL, database_id bigint NOT NULL, source text NOT NULL,
    counted boolean NOT NULL,     spread float8 NOT NULL, rate float8 NOT NULL,
    mean bigint NOT NULL, width int NOT NULL, since bigint NOT NULL
);
CREATE INDEX ON load_data.statements (database_id);

-- The hours from one to before another, since 1970, in which statements ran: one in each stretch of `spread` hours.
CREATE FUNCTION load_data.hours(databases bigint[], from_hour bigint, to_hour bigint)
RETURNS TABLE (statement load_data.statements, hour bigint, calls float8) LANGUAGE sql STABLE AS $$
    SELECT s, h.hour, greatest(1, s.rate * (0.3 + load_data.u(s.id, h.hour, 22))
        * (1 + 0.8 * sin((h.hour % 24 - 8) * pi() / 12)) * CASE WHEN h.hour / 24 % 7 IN (2, 3) THEN 0.5 ELSE 1 END)
    FROM load_data.statements s
    CROSS JOIN LATERAL generate_series(floor(greatest(from_hour, s.since) / s.spread)::bigint, floor(to_hour / s.spread)::bigint) k
    CROSS JOIN LATERAL (SELECT floor(k * s.spread)::bigint + floor(load_data.u(s.id, k, 21) * floor(s.spread))::bigint AS hour) h
    WHERE s.database_id = ANY (databases) AND h.hour >= greatest(from_hour, s.since) AND h.hour < to_hour
    ORDER BY h.hour, s.id
$$;

-- The sum of the times of so many executions.
CREATE FUNCTION load_data.took(mean bigint, calls bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT mean * (calls / 8 * 8) + (mean * (ARRAY[{_PREFIXES}])[calls % 8 + 1])::bigint
$$;
"""
_PER_CALL: Final = {
    "rows_examined": ("mysql", "calls * w * 12"),
    "lock_time_ns": ("mysql", "calls * 4000"),
    "errors": ("digests", "calls / 5000"),
    "warnings": ("digests", "calls / 900"),
    "tmp_tables": ("digests", "calls / 7"),
    "tmp_disk_tables": ("digests", "calls / 90"),
    "full_scans": ("digests", "CASE WHEN w % 5 = 0 THEN calls ELSE 0 END"),
    "no_index_used": ("digests", "CASE WHEN w % 5 = 0 THEN calls ELSE 0 END"),
    "shared_blks_hit": ("postgres", "calls * (w + 4)"),
    "shared_blks_read": ("postgres", "calls * w / 9"),
    "shared_blks_dirtied": ("postgres", "calls / 6"),
    "shared_blks_written": ("postgres", "calls / 40"),
    "local_blks_hit": ("postgres", "0"),
    "local_blks_read": ("postgres", "0"),
    "temp_blks_read": ("postgres", "CASE WHEN w % 7 = 0 THEN calls * 3 ELSE 0 END"),
    "temp_blks_written": ("postgres", "CASE WHEN w % 7 = 0 THEN calls * 3 ELSE 0 END"),
    "blk_read_time_ns": ("postgres", "calls * w * 9000"),
    "blk_write_time_ns": ("postgres", "calls * 200"),
    "wal_records": ("postgres", "calls / 3"),
    "wal_fpi": ("postgres", "calls / 60"),
    "wal_bytes": ("postgres", "calls * 40"),
}
_SOURCES: Final = {
    "mysql": "source <> 'pg_stat_statements'",
    "digests": "source = 'performance_schema'",
    "postgres": "source = 'pg_stat_statements'",
}
_COLUMNS: Final = (
    "statement_id, started_at, organization_id, database_id, calls, total_time_ns, min_time_ns, max_time_ns, rows, "
    + ", ".join(COUNTERS)
)
# From slots with `s` (a row of load_data.statements), `at` and whole `calls`.
_DRAWN: Final = """
SELECT id, at, organization_id, database_id, calls, load_data.took(mean, calls),
    CASE WHEN source = 'slow_log' THEN (mean * 0.4)::bigint END,
    CASE WHEN source = 'slow_log' THEN (mean * (ARRAY[{pattern}])[least(calls, 8)])::bigint END, calls * w, {counters}
FROM (SELECT (statement).*, (statement).width AS w, at, calls FROM slots) drawn ORDER BY at, id
""".format(
    pattern=", ".join(map(str, PATTERN)),
    counters=", ".join(
        f"CASE WHEN {_SOURCES[_PER_CALL[name][0]]} THEN {_PER_CALL[name][1]} END" if name in _PER_CALL else "NULL"
        for name in COUNTERS
    ),
)
_BUCKET_SLOTS: Final = """
WITH slots AS MATERIALIZED (
    SELECT statement, to_timestamp(hour * 3600 + place * 300) AS at,
        greatest(1, calls / 12 * (0.5 + load_data.u((statement).id, hour * 12 + place, 23)))::bigint AS calls
    FROM load_data.hours(%(databases)s, %(from)s, %(to)s) CROSS JOIN LATERAL generate_series(0, 11) place
    WHERE load_data.u((statement).id, hour * 12 + place, 24) < calls / 6 AND to_timestamp(hour * 3600 + place * 300) < %(end)s
)
"""
_HOUR_SLOTS: Final = """
WITH slots AS MATERIALIZED (
    SELECT statement, to_timestamp(hour * 3600) AS at, calls::bigint AS calls FROM load_data.hours(%(databases)s, %(from)s, %(to)s)
    {only}
)
"""
_SUMS: Final = f"""
INSERT INTO {{target}} ({_COLUMNS})
SELECT c.statement_id, date_bin('{{width}}', c.started_at, '1970-01-01 00:00:00+00') AS slot, c.organization_id, c.database_id, sum(calls),
    sum(total_time_ns), min(min_time_ns), max(max_time_ns), sum(rows), {", ".join(f"sum({name})" for name in COUNTERS)}
FROM {{source}} c JOIN load_data.statements s ON s.id = c.statement_id AND s.counted
WHERE c.database_id = ANY (%(databases)s) AND c.started_at >= %(from_time)s AND c.started_at < %(to_time)s
GROUP BY c.statement_id, slot, c.organization_id, c.database_id ORDER BY slot, c.statement_id
"""
# Two seconds at least, as what is logged as slow is.
_SLOW_QUERIES: Final = f"""
INSERT INTO slow_queries (organization_id, database_id, statement_id, started_at, time_approximate, query_time_ns, lock_time_ns,
    rows_sent, rows_examined, rows_affected, user_name, host, generation, position)
SELECT (statement).organization_id, (statement).database_id, (statement).id,
    at + load_data.u((statement).id, extract(epoch FROM at)::bigint + n, 25) * %(length)s, false,
    ((statement).mean * (ARRAY[{", ".join(map(str, PATTERN))}])[(n - 1) %% 8 + 1])::bigint, 4000, (statement).width, (statement).width * 12,
    0, (ARRAY['app', 'reports', 'batch', 'web'])[1 + (statement).id %% 4], '10.0.' || (statement).database_id %% 250 || '.' || n,
    NULL, NULL
FROM slots CROSS JOIN LATERAL generate_series(1, calls) n WHERE (statement).source = 'slow_log'
"""


def steps(plan: Plan) -> list[Step]:
    """Return the steps that make them, a stretch of time each, as they come to be: tables then lie in order of time."""
    watched = sorted(database for tenant in plan.tenants for database in tenant.watched)
    cost = len(watched) * plan.statements / 40_000 * _STRETCH.days
    made = [Step("statements", "statements", plan.statements * len(watched) / 20_000, partial(_statements, plan=plan))]
    since = plan.begins_at
    while since < plan.ends_at:
        until = min(since + _STRETCH, plan.ends_at)
        fine = 4 if until > plan.buckets_since else 1
        stretch = partial(_Stretch, databases=watched, since=since, until=until, ends_at=plan.ends_at)
        own = stretch(finest=until > plan.buckets_since)
        # Buckets of one day after the other, as they come to be: what lies side by side is found quicker.
        group = f"buckets of {since:%Y-%m-%d}" if own.finest else "costs"
        made.append(Step(f"costs of {since:%Y-%m-%d}", group, cost * fine, partial(_costs, stretch=own)))
        work = partial(_executions, stretch=own, slow_queries=since >= plan.slow_queries_since)
        made.append(Step(f"executions of {since:%Y-%m-%d}", "slow queries and sketches", cost / 2, work))
        since = until
    whole = partial(_Stretch, databases=watched, since=plan.begins_at, until=plan.ends_at, ends_at=plan.ends_at)
    made.append(Step("weeks", "weeks", cost * 5, partial(_weeks, stretch=whole(finest=False))))
    made.append(Step("totals", "databases' totals", cost * 5, _totals))
    made.append(Step("marks", "marks", 0.1, partial(_marks, plan=plan, databases=watched)))
    return made


@dataclass(frozen=True)
class _Stretch:
    """Whole days, or what there is of the last one; `finest` where they are made of buckets."""

    databases: Sequence[int]
    since: datetime
    until: datetime
    ends_at: datetime
    finest: bool

    def numbers(self) -> dict[str, Any]:
        """Return the parameters of the statements above."""
        return {
            "databases": list(self.databases),
            "from": int(self.since.timestamp()) // 3600,
            # A part of an hour is drawn too, up to `end`.
            "to": -int(-self.until.timestamp() // 3600),
            "end": self.until,
            "from_time": self.since,
        }


def _statements(cursor: Cursor, plan: Plan) -> int:
    cursor.execute(SETUP.encode())
    rows = 0
    for tenant in plan.tenants:
        for number, database in enumerate(tenant.watched):
            if database % 2:
                rows += _add(cursor, plan, tenant, number, database, "pg_stat_statements", plan.statements)
            elif has_digests(database):
                rows += _add(cursor, plan, tenant, number, database, "performance_schema", plan.statements)
                rows += _add(cursor, plan, tenant, number, database, "slow_log", _LOGGED)
            else:
                rows += _add(cursor, plan, tenant, number, database, "slow_log", plan.statements)
    keep_counting(cursor, "statements")
    cursor.execute(
        "UPDATE statements SET fingerprint_id = NULL, text_state = 'wanted' WHERE load_data.u(id, 0, 35) < 0.005"
    )
    cursor.execute("ANALYZE load_data.statements")
    return rows


def _add(cursor: Cursor, plan: Plan, tenant: Tenant, number: int, database: int, source: str, count: int) -> int:
    """Make the statements of one source: texts one after the other over the organization's databases, ranks shuffled."""
    first = tenant.fingerprints.start
    numbers: dict[str, Any] = {
        "organization": tenant.pk,
        "database": database,
        "source": source,
        "last": min(count, len(tenant.fingerprints)) - 1,
        "first": first,
        "offset": number * plan.statements,
        "texts": len(tenant.fingerprints),
        "begin": plan.begins_at,
        "length": plan.ends_at - plan.begins_at,
        # The busiest database of an organization has a hundred times the load of the least busy.
        "load": 20_000 / (1 + number) ** 0.7,
        "slow": source == "slow_log",
        "counted": source != "slow_log" or not has_digests(database),
    }
    cursor.execute(
        """
        WITH made AS (
            INSERT INTO statements (organization_id, database_id, source, key, digest, schema_name, user_name, fingerprint_id, text_state,
                first_seen)
            SELECT %(organization)s, %(database)s, %(source)s, md5(%(database)s || ':' || %(source)s || ':' || n), left(md5('d' || n), 32),
                (ARRAY['app', 'app', 'app', 'reports'])[1 + n %% 4], CASE WHEN %(source)s = 'performance_schema' THEN '' ELSE 'app' END,
                %(first)s + (%(offset)s + n) %% %(texts)s, 'known',
                %(begin)s + greatest(0, load_data.u(%(database)s, n, 31) * 7 - 6) * %(length)s
            FROM generate_series(0, %(last)s) n
            RETURNING id, first_seen
        ), ranked AS (SELECT id, first_seen, row_number() OVER (ORDER BY load_data.u(id, 0, 32)) AS rank FROM made)
        INSERT INTO load_data.statements
        SELECT id, %(organization)s, %(database)s, %(source)s, %(counted)s,
            CASE WHEN %(slow)s THEN greatest(2, rank) ELSE greatest(1, rank / 2.0) END,
            CASE WHEN %(slow)s THEN 2 + 12 / rank ^ 0.5 ELSE %(load)s / rank ^ 0.8 END,
            CASE WHEN %(slow)s THEN 10 * (2e8 / 0.4 * (1 + load_data.u(id, 1, 33) ^ 4 * 40))::bigint
                ELSE 10 * (2e4 * (1 + load_data.u(id, 1, 33) ^ 4 * 2000))::bigint END,
            1 + (load_data.u(id, 2, 34) ^ 3 * 100)::int, floor(extract(epoch FROM first_seen) / 3600)::bigint
        FROM ranked
        """,
        numbers,
    )
    return cursor.rowcount


def _costs(cursor: Cursor, stretch: _Stretch) -> int:
    """Draw buckets, or hours where there are none; sum up the whole hours and days that have ended."""
    slots = _BUCKET_SLOTS if stretch.finest else _HOUR_SLOTS.format(only="WHERE (statement).counted")
    target = "query_buckets" if stretch.finest else "query_hours"
    sql = f"{slots} INSERT INTO {target} ({_COLUMNS}) {_DRAWN.replace('%', '%%')}"
    cursor.execute(sql.encode(), stretch.numbers())
    rows = cursor.rowcount
    for source, made_of, width in (
        ("query_buckets", "query_hours", periods.HOUR),
        ("query_hours", "query_days", periods.DAY),
    ):
        if source == "query_buckets" and not stretch.finest:
            continue
        rows += _sum_up(cursor, source, made_of, width, stretch)
    return rows


def _sum_up(cursor: Cursor, source: str, target: str, width: timedelta, stretch: "_Stretch") -> int:
    sql = _SUMS.format(source=source, target=target, width=f"{int(width.total_seconds())} seconds")
    cursor.execute(
        sql.encode(), {**stretch.numbers(), "to_time": min(stretch.until, periods.floor(stretch.ends_at, width))}
    )
    return cursor.rowcount


def _weeks(cursor: Cursor, stretch: "_Stretch") -> int:
    """Sum up the weeks that have ended, once all their days are here."""
    return _sum_up(cursor, "query_days", "query_weeks", periods.WEEK, stretch)


def _totals(cursor: Cursor) -> int:
    """Add up what each database cost, from all that was rolled up of its statements."""
    rows = 0
    for resolution in ("hours", "days", "weeks"):
        cursor.execute(
            f"INSERT INTO database_{resolution} (database_id, started_at, organization_id, calls, total_time_ns) "
            "SELECT database_id, started_at, organization_id, SUM(calls), SUM(total_time_ns) "
            f"FROM query_{resolution} GROUP BY database_id, started_at, organization_id ORDER BY started_at".encode()
        )
        rows += cursor.rowcount
    return rows


def _executions(cursor: Cursor, stretch: _Stretch, *, slow_queries: bool) -> int:
    """Write single executions of what is logged as slow, and how long they took."""
    rows = 0
    slots = _BUCKET_SLOTS if stretch.finest else _HOUR_SLOTS.format(only="WHERE (statement).source = 'slow_log'")
    if slow_queries:
        length = periods.BUCKET if stretch.finest else periods.HOUR
        cursor.execute(f"{slots} {_SLOW_QUERIES}".encode(), {**stretch.numbers(), "length": length})
        rows += cursor.rowcount
    sql = (
        f"{slots} SELECT (statement).id, (statement).organization_id, (statement).database_id, (statement).mean, at, calls "
        "FROM slots WHERE (statement).source = 'slow_log' ORDER BY 1, 5"
    )
    cursor.execute(sql.encode(), stretch.numbers())
    return rows + sketches.write(
        cursor, cursor.fetchall(), finest=stretch.finest, until=stretch.ends_at, pattern=PATTERN
    )


def _marks(cursor: Cursor, plan: Plan, databases: Sequence[int]) -> int:
    """Mark the present hour, day and week, which are rolled up when they are over."""
    rows = 0
    for table, width in (
        ("dirty_hours", periods.HOUR),
        ("dirty_days", periods.DAY),
        ("dirty_weeks", periods.WEEK),
    ):
        cursor.execute(
            f"INSERT INTO {table} (organization_id, database_id, started_at, version) "
            "SELECT organization_id, id, %s, 1 FROM monitored_databases WHERE id = ANY (%s)",
            [periods.floor(plan.ends_at, width), list(databases)],
        )
        rows += cursor.rowcount
    return rows
