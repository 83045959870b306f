"""Monitored databases, collectors with their heartbeats and leases, and what happened to them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from tests.load.fleet.loading import Cursor, Step, copy, keep_counting
from tests.load.fleet.plan import Plan

# Uniform numbers in [0, 1) that follow from two numbers and a salt, so that what is made twice is made alike.
FUNCTIONS: Final = """
CREATE OR REPLACE FUNCTION load_data.u(a bigint, b bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (hashint8extended(a * 7919 + b, salt * 1000003 + {seed}) & 9007199254740991)::float8 / 9007199254740992.0 $$
"""
_COLLECTORS: Final = """
INSERT INTO collectors (id, organization_id, team_id, database_id, name, type, config, config_version, auto_collect,
    collection_interval_minutes, api_key_hash, api_key_created_at, api_key_proven_at, previous_key_hash, created_at, region)
SELECT c, d.organization_id, d.team_id, d.id, d.name || CASE WHEN c > %(databases)s THEN '-standby' ELSE '' END, d.type, '',
    1, load_data.u(c, 0, 11) >= 0.01, 5, encode(sha256(('key' || c)::bytea), 'hex'), d.created_at, d.created_at, '', d.created_at,
    split_part(d.name, '-', 1)
FROM generate_series(1, %(collectors)s) c
JOIN monitored_databases d ON d.id = CASE WHEN c <= %(databases)s THEN c ELSE 1 + (c - %(databases)s - 1) * 19 %% %(databases)s END
"""
# Where it stands, and what some of them are beside.
_TAGS: Final = """
INSERT INTO collector_tags (collector_id, organization_id, tag)
SELECT c.id, c.organization_id, t.tag FROM collectors c
CROSS JOIN LATERAL (VALUES (0, split_part(c.name, '-', 2)), (1, 'critical'), (2, 'pci'), (3, 'legacy')) t (number, tag)
WHERE t.number = 0 OR load_data.u(c.id, t.number, 19) < 0.1 ORDER BY c.id
"""
# 1 in 100 is stopped, 2.5 offline, 2 in error, half a one starting.
_HEARTBEATS: Final = """
INSERT INTO collector_heartbeats (collector_id, organization_id, status, last_heartbeat, starting_since, instance,
    previous_instance, epoch, instance_since, address, version, config_version, queries_collected, errors_count,
    reported_queries, reported_errors, uptime_seconds, last_collection, last_error, last_error_at, source, spool, stopping)
SELECT c.id, c.organization_id, s.status,
    CASE s.status WHEN 'STARTING' THEN NULL WHEN 'OFFLINE' THEN %(end)s - (1 + u * 1000) * interval '10 minutes'
        ELSE %(end)s - u * interval '30 seconds' END,
    c.created_at, md5('i' || c.id), '', 1, %(end)s - u * interval '20 days',
    '10.' || c.id / 65536 || '.' || c.id / 256 %% 256 || '.' || c.id %% 256,
    CASE WHEN u < 0.8 THEN '0.1.0' ELSE '0.0.9' END, 1, (u * 5e6)::bigint, CASE WHEN s.status = 'ERROR' THEN 40 ELSE (u * 3)::int END,
    (u * 5e6)::bigint, 0, (u * 1.7e6)::bigint, CASE WHEN s.status <> 'STARTING' THEN %(end)s - u * interval '5 minutes' END,
    CASE WHEN s.status = 'ERROR' THEN 'could not connect to server: Connection refused' ELSE '' END,
    CASE WHEN s.status = 'ERROR' THEN %(end)s - u * interval '1 hour' END,
    jsonb_build_object('name', CASE c.type WHEN 'mysql' THEN 'slow_log' ELSE 'pg_stat_statements' END, 'readable', s.status <> 'ERROR'),
    jsonb_build_object('files', 0, 'bytes', 0, 'dropped_files', 0, 'data_age_seconds', (u * 290)::int), false
FROM collectors c
CROSS JOIN LATERAL (SELECT load_data.u(c.id, 1, 12) AS u, load_data.u(c.id, 0, 12) AS v) r
CROSS JOIN LATERAL (SELECT CASE WHEN NOT c.auto_collect THEN 'STOPPED' WHEN v < 0.025 THEN 'OFFLINE' WHEN v < 0.045 THEN 'ERROR'
    WHEN v < 0.05 THEN 'STARTING' ELSE 'ONLINE' END AS status) s
"""
_LEASES: Final = """
INSERT INTO collector_leases (database_id, organization_id, holder_id, epoch, granted_at)
SELECT c.database_id, c.organization_id, c.id, 1, c.created_at
FROM collectors c JOIN collector_heartbeats h ON h.collector_id = c.id
WHERE c.id <= %(databases)s AND h.status IN ('ONLINE', 'ERROR')
"""
# Each collector was registered and then heard; a few times it fell silent for a while; what it is now is the last flip.
_STATUS_CHANGES: Final = """
WITH flips AS (
    SELECT c.id, c.organization_id, h.status, greatest(c.created_at, %(begin)s) AS first,
        floor(load_data.u(c.id, 2, 13) ^ 3 * 16)::int AS outages
    FROM collectors c JOIN collector_heartbeats h ON h.collector_id = c.id
), events AS (
    SELECT id, organization_id, '' AS old, 'STARTING' AS new, 'registered' AS cause, first AS at FROM flips
    UNION ALL
    SELECT id, organization_id, 'STARTING', 'ONLINE', 'heartbeat', first + interval '40 seconds'
    FROM flips WHERE status <> 'STARTING'
    UNION ALL
    SELECT id, organization_id, CASE away WHEN 0 THEN 'ONLINE' ELSE 'OFFLINE' END,
        CASE away WHEN 0 THEN 'OFFLINE' ELSE 'ONLINE' END,
        CASE away WHEN 0 THEN 'no heartbeat before the deadline' ELSE 'heartbeat' END,
        first + (%(end)s - interval '1 day' - first) * ((n + load_data.u(id, n, 14) * 0.8) / (outages + 2))
            + away * least((2 + load_data.u(id, n, 15) * 60) * interval '1 minute', (%(end)s - first) * 0.1 / (outages + 2))
    FROM flips CROSS JOIN generate_series(1, outages) n CROSS JOIN generate_series(0, 1) away WHERE status <> 'STARTING'
    UNION ALL
    SELECT id, organization_id, 'ONLINE', status, CASE status WHEN 'ERROR' THEN 'heartbeat with an error'
        WHEN 'STOPPED' THEN 'stop carried out'
        ELSE 'no heartbeat before the deadline' END, %(end)s - load_data.u(id, 0, 16) * interval '1 day'
    FROM flips WHERE status IN ('ERROR', 'STOPPED', 'OFFLINE')
)
INSERT INTO status_changes (organization_id, collector_id, old_status, new_status, cause, changed_at, last_heartbeat)
SELECT organization_id, id, old, new, cause, at, CASE new WHEN 'OFFLINE' THEN at - interval '2 minutes' END
FROM events WHERE at <= %(end)s ORDER BY at
"""
_COMMANDS: Final = """
WITH asked AS (
    SELECT n, 1 + (load_data.u(n, 0, 17) * (%(collectors)s - 1))::bigint AS collector_id, load_data.u(n, 1, 17) AS u,
        %(begin)s + (%(end)s - %(begin)s) * (n::float8 / %(commands)s) AS at
    FROM generate_series(1, %(commands)s) n
)
INSERT INTO collector_commands (organization_id, collector_id, command, params, state, result, requested_by_id,
    created_at, expires_at, delivered_at, ended_at)
SELECT c.organization_id, c.id, CASE WHEN u < 0.7 THEN 'collect'
        WHEN u < 0.8 THEN 'stop' WHEN u < 0.9 THEN 'start' ELSE 'update_config' END,
    '{}', s.state, CASE WHEN s.state = 'succeeded' THEN '{"rows": 120}'::jsonb END,
    1 + (u * (SELECT max(id) - 1 FROM users))::bigint, at, at + interval '5 minutes',
    CASE WHEN s.state IN ('succeeded', 'failed', 'delivered') THEN at + u * interval '30 seconds' END,
    CASE WHEN s.state NOT IN ('pending', 'delivered') THEN at + interval '30 seconds' + u * interval '20 seconds' END
FROM asked JOIN collectors c ON c.id = asked.collector_id
CROSS JOIN LATERAL (SELECT CASE WHEN at > %(end)s - interval '4 minutes' THEN 'pending' WHEN load_data.u(n, 2, 17) < 0.9 THEN 'succeeded'
    WHEN load_data.u(n, 2, 17) < 0.95 THEN 'failed' WHEN load_data.u(n, 2, 17) < 0.99 THEN 'expired' ELSE 'cancelled' END AS state) s
ORDER BY n
"""
# Some databases have many gaps, most few; half are of databases with statements.
_GAPS: Final = """
WITH found AS (
    SELECT n, load_data.u(n, 0, 18) AS u, load_data.u(n, 1, 18) AS v,
        CASE WHEN n %% 2 = 0 THEN w.id[1 + floor(load_data.u(n, 2, 18) ^ 2 * array_length(w.id, 1))::int]
            ELSE 1 + floor(load_data.u(n, 2, 18) * %(databases)s)::bigint END AS database_id
    FROM generate_series(1, %(gaps)s) n CROSS JOIN (SELECT %(watched)s::bigint[] AS id) w
)
INSERT INTO completeness_gaps (organization_id, database_id, source, kind, amount, covered_from, covered_to, detail, created_at)
SELECT d.organization_id, d.id, CASE d.type WHEN 'mysql' THEN 'slow_log' ELSE 'pg_stat_statements' END,
    CASE WHEN v < 0.3 THEN 'missed' WHEN v < 0.6 THEN 'evictions' WHEN v < 0.8 THEN 'spool'
        WHEN v < 0.9 THEN 'lost_rows' ELSE 'generation' END,
    CASE WHEN v < 0.9 THEN (u * 1000)::bigint END,
    %(begin)s + (%(end)s - %(begin)s) * (n::float8 / %(gaps)s) - u * interval '2 hours',
    %(begin)s + (%(end)s - %(begin)s) * (n::float8 / %(gaps)s),
    CASE WHEN v < 0.6 THEN '' ELSE 'the backend could not be reached' END, %(begin)s + (%(end)s - %(begin)s) * (n::float8 / %(gaps)s)
FROM found JOIN monitored_databases d ON d.id = found.database_id ORDER BY n
"""


def steps(plan: Plan) -> list[Step]:
    """Return the steps that make them."""
    scale = plan.collectors / 100_000
    return [
        Step("databases", "databases", 4 * scale, lambda cursor: _databases(cursor, plan)),
        Step("collectors", "collectors", 6 * scale, lambda cursor: _one(cursor, plan, _COLLECTORS, "collectors")),
        Step("collector tags", "heartbeats", 2 * scale, lambda cursor: _one(cursor, plan, _TAGS)),
        Step("heartbeats", "heartbeats", 5 * scale, lambda cursor: _one(cursor, plan, _HEARTBEATS)),
        Step("leases", "histories", 3 * scale, lambda cursor: _one(cursor, plan, _LEASES)),
        Step("status changes", "histories", 15 * scale, lambda cursor: _one(cursor, plan, _STATUS_CHANGES)),
        Step("commands", "histories", 6 * scale, lambda cursor: _one(cursor, plan, _COMMANDS)),
        Step("gaps", "histories", 2 * scale, lambda cursor: _one(cursor, plan, _GAPS)),
    ]


def freshen(cursor: Cursor) -> None:
    """Let those who are well have been heard just now, and the control plane have been there: time goes on between runs."""
    cursor.execute(
        "UPDATE collector_heartbeats SET last_heartbeat = now() - load_data.u(collector_id, 1, 12) * interval '25 seconds' "
        "WHERE status IN ('ONLINE', 'ERROR', 'STOPPED')"
    )
    cursor.execute(
        "UPDATE control_plane SET web_seen_at = now(), accepting_since = now() - interval '30 days', worker_seen_at = now(), "
        "beat_seen_at = now(), last_sweep_at = now()"
    )


def _one(cursor: Cursor, plan: Plan, sql: str, *tables: str) -> int:
    cursor.execute(sql.encode(), _numbers(plan))
    rows = cursor.rowcount
    keep_counting(cursor, *tables)
    return rows


def _numbers(plan: Plan) -> dict[str, Any]:
    return {
        "collectors": plan.collectors,
        "databases": plan.all_databases,
        "commands": 2 * plan.collectors,
        "gaps": max(100, plan.collectors // 2),
        "watched": [database for tenant in plan.tenants for database in tenant.watched],
        "begin": plan.begins_at,
        "end": plan.ends_at,
    }


def _databases(cursor: Cursor, plan: Plan) -> int:
    cursor.execute(FUNCTIONS.format(seed=plan.seed).encode())
    columns = ("id", "organization_id", "team_id", "name", "type", "last_epoch", "digests_since", "created_at")
    rows = copy(cursor, "monitored_databases", columns, _each_database(plan))
    keep_counting(cursor, "monitored_databases")
    return rows


def _each_database(plan: Plan) -> Iterator[tuple[Any, ...]]:
    """Yield every database: half of them PostgreSQL, a quarter MySQL with its slow log, a quarter with performance_schema too."""
    chance = plan.randomness("databases")
    for tenant in plan.tenants:
        for pk in tenant.databases:
            engine = "postgres" if pk % 2 else "mysql"
            made = plan.begins_at + timedelta(days=chance.uniform(-300, 0 if pk in tenant.watched else plan.days / 2))
            digests = plan.begins_at if has_digests(pk) else None
            place = ("eu", "us", "ap")[pk % 3]
            stage = ("prod", "prod", "prod", "stage")[pk % 4 if pk % 8 else 0]
            yield (
                pk,
                tenant.pk,
                tenant.team_of(pk),
                f"{place}-{stage}-{'pg' if pk % 2 else 'my'}-{pk:06}",
                engine,
                1,
                digests,
                made,
            )


def has_digests(database: int) -> bool:
    """Tell whether a database's totals come from performance_schema."""
    return database % 4 == 0
