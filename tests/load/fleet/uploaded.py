"""What each upload left behind: a row for each collection of the days that these are kept, as often as the product has them.

Only databases with statements have collectors that bring something, each at its own interval. Counters are read at each of
them, and bring the calls of the bucket before; a slow log is sent where there was something in it. Who was not heard collected
nothing, or kept it and brought it later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from collectors.domain import limits, periods
from tests.load.fleet.loading import Cursor, Step
from tests.load.fleet.plan import Plan
from tests.load.fleet.watched import has_digests

# A database's first collector has its number; others stand by.
_SOURCES: Final = """
CREATE TABLE load_data.sources AS
SELECT c.id AS collector_id, s.organization_id, s.database_id, s.source, count(*)::int AS statements,
    c.collection_interval_minutes AS minutes, load_data.u(c.id, 0, 41) * interval '2 minutes' AS phase
FROM load_data.statements s JOIN collectors c ON c.id = s.database_id GROUP BY 1, 2, 3, 4, 6;
CREATE TABLE load_data.silences AS
SELECT collector_id, coalesce(last_heartbeat, changed_at) AS since, until,
    new_status = 'OFFLINE' AND until < 'infinity' AND load_data.u(collector_id, extract(epoch FROM changed_at)::bigint, 42) < 0.4
        AS is_spooled
FROM (
    SELECT *, coalesce(lead(changed_at) OVER (PARTITION BY collector_id ORDER BY changed_at, id), 'infinity') AS until
    FROM status_changes WHERE collector_id IN (SELECT collector_id FROM load_data.sources)
) flips WHERE new_status <> 'ONLINE';
CREATE INDEX ON load_data.silences (collector_id, until);
ANALYZE load_data.sources, load_data.silences;
"""
_BUCKETS: Final = """
SELECT s.database_id, s.source, b.started_at AS at, sum(b.calls)::bigint AS calls
FROM query_buckets b JOIN load_data.statements s ON s.id = b.statement_id
WHERE b.database_id = ANY (%(databases)s) AND b.started_at >= %(since)s AND b.started_at < %(until)s GROUP BY 1, 2, 3
"""
# Of older days there are hours only, and what is logged beside digests is in no sum: it is drawn as `costs` draws it.
_HOURS: Final = """
SELECT database_id, source, hour + place * interval '5 minutes' AS at, calls * (place + 1) / 12 - calls * place / 12 AS calls
FROM (
    SELECT s.database_id, s.source, h.started_at AS hour, sum(h.calls)::bigint AS calls
    FROM query_hours h JOIN load_data.statements s ON s.id = h.statement_id
    WHERE h.database_id = ANY (%(databases)s) AND h.started_at >= %(since)s AND h.started_at < %(until)s GROUP BY 1, 2, 3
    UNION ALL
    SELECT (statement).database_id, 'slow_log', to_timestamp(hour * 3600), sum(calls::bigint)::bigint
    FROM load_data.hours(%(digests)s, %(from)s, %(to)s) WHERE (statement).source = 'slow_log' GROUP BY 1, 2, 3
) hours CROSS JOIN generate_series(0, 11) place
"""
# One in five hundred came twice. `read_at` is within the first half of the bucket after the one that it tells of.
_COLLECTIONS: Final = """
WITH counted AS MATERIALIZED ({counted}), slots AS (
    SELECT s.*, coalesce(calls, 0) AS calls, at + interval '5 minutes' + phase + u * interval '2 seconds' AS read_at, u
    FROM load_data.sources s CROSS JOIN generate_series(%(since)s, %(until)s - interval '1 second', interval '5 minutes') at
    CROSS JOIN LATERAL (SELECT load_data.u(s.collector_id, extract(epoch FROM at)::bigint, 43) AS u) drawn
    LEFT JOIN counted USING (database_id, source, at)
    WHERE s.source <> 'slow_log' OR calls > 0
)
INSERT INTO collections (organization_id, collector_id, started_at, received_at, interval_minutes, rows, calls, duplicates, took_ms,
    is_stale, source)
SELECT s.organization_id, s.collector_id, read_at, received_at, minutes, told.rows,
    CASE WHEN n = 1 THEN calls WHEN is_log THEN 0 END, CASE WHEN n = 2 AND is_log THEN told.rows ELSE 0 END,
    (4 + 30 * u + told.rows / 9.0 + CASE WHEN u > 0.995 THEN 700 ELSE 0 END)::int, n = 2, source
FROM slots s
LEFT JOIN load_data.silences w ON w.collector_id = s.collector_id AND read_at >= w.since AND read_at < w.until
CROSS JOIN generate_series(1, CASE WHEN u < 0.002 THEN 2 ELSE 1 END) n
CROSS JOIN LATERAL (SELECT source = 'slow_log' AS is_log, CASE source WHEN 'slow_log' THEN calls ELSE statements END AS rows,
    CASE WHEN w.is_spooled THEN w.until ELSE read_at END + (u * 0.6 + 5 * n - 4.9) * interval '1 second' AS received_at) told
WHERE read_at < %(end)s AND (w.is_spooled IS NULL OR w.is_spooled) ORDER BY received_at
"""


def steps(plan: Plan) -> list[Step]:
    """Return the steps that make them, a day each: rows then lie in order of time, as they come to be."""
    watched = sorted(database for tenant in plan.tenants for database in tenant.watched)
    cost = len(watched) / 400
    made = [Step("sources", "sources", cost / 2, _sources)]
    since = first_day(plan)
    while since < plan.ends_at:
        until = min(since + periods.DAY, plan.ends_at)
        work = partial(_day, plan=plan, databases=watched, since=since, until=until)
        made.append(Step(f"collections of {since:%Y-%m-%d}", "collections", cost, work))
        since = until
    return made


def first_day(plan: Plan) -> datetime:
    """Return the beginning of the oldest day of which there are collections."""
    kept = periods.floor(plan.ends_at, periods.DAY) - timedelta(days=limits.COLLECTION_RETENTION_DAYS)
    return max(plan.begins_at, kept)


def _sources(cursor: Cursor) -> int:
    cursor.execute(_SOURCES.encode())
    return 0


def _day(cursor: Cursor, plan: Plan, databases: Sequence[int], since: datetime, until: datetime) -> int:
    numbers: dict[str, Any] = {
        "databases": list(databases),
        "digests": [database for database in databases if has_digests(database)],
        "since": since,
        "until": until,
        "end": plan.ends_at,
        "from": int(since.timestamp()) // 3600,
        "to": -int(-until.timestamp() // 3600),
    }
    counted = _BUCKETS if since >= plan.buckets_since else _HOURS
    cursor.execute(_COLLECTIONS.format(counted=counted).encode(), numbers)
    return cursor.rowcount
