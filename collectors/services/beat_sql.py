"""The heartbeat that changes nothing but numbers, as one SQL statement.

At 100,000 agents this is nearly all the work there is. Its WHERE holds every condition under which the status stays as it
is, the agent process is the known one, and the key is valid; when it matches no row, the caller decides with the lock held.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import FloatField, Func, Value

from collectors.domain import commands, limits, liveness
from collectors.domain.heartbeats import Report
from collectors.domain.keys import mark_of

_STATEMENT: Final = """
UPDATE collector_heartbeats SET
    last_heartbeat = {now},
    address = %(address)s,
    queries_collected = queries_collected + {added_queries},
    reported_queries = CASE WHEN %(named)s AND reported_queries > %(queries)s THEN reported_queries ELSE %(queries)s END,
    errors_count = errors_count + {added_errors},
    reported_errors = CASE WHEN %(named)s AND reported_errors > %(errors)s THEN reported_errors ELSE %(errors)s END,
    uptime_seconds = COALESCE(%(uptime)s, uptime_seconds),
    clock_skew_seconds = {clock_skew},
    config_version = COALESCE(%(config_version)s, config_version),
    last_collection = COALESCE({last_collection}, last_collection),
    last_error = CASE WHEN %(error)s = '' THEN last_error ELSE %(error)s END,
    last_error_at = CASE WHEN %(error)s = '' THEN last_error_at ELSE {now} END,
    version = CASE WHEN %(version)s = '' THEN version ELSE %(version)s END,
    source = COALESCE({source}, source),
    spool = COALESCE({spool}, spool),
    stopping = %(stopping)s,
    key_used_at = CASE WHEN key_mark = %(mark)s AND key_address = %(address)s AND key_used_at > {long_ago} THEN key_used_at
        ELSE {now} END,
    key_mark = %(mark)s,
    key_address = %(address)s,
    other_key_mark = CASE WHEN key_mark = %(mark)s THEN other_key_mark ELSE key_mark END,
    other_key_used_at = CASE WHEN key_mark = %(mark)s THEN other_key_used_at ELSE key_used_at END,
    other_key_address = CASE WHEN key_mark = %(mark)s THEN other_key_address ELSE key_address END
WHERE collector_id = %(id)s AND instance = %(instance)s AND epoch > 0 AND status IN ({settled})
  AND EXISTS (SELECT 1 FROM collectors WHERE id = %(id)s AND (api_key_hash = %(digest)s AND api_key_proven_at IS NOT NULL
      OR (previous_key_hash = %(digest)s AND (previous_key_expires_at IS NULL OR previous_key_expires_at > {now}))))
RETURNING epoch,
    (SELECT auto_collect FROM collectors WHERE id = %(id)s),
    (SELECT collection_interval_minutes FROM collectors WHERE id = %(id)s),
    (SELECT config_version FROM collectors WHERE id = %(id)s),
    (SELECT key_rotation_requested_at IS NOT NULL AND (api_key_proven_at IS NULL OR api_key_hash = %(digest)s)
        FROM collectors WHERE id = %(id)s),
    EXISTS (SELECT 1 FROM collector_leases WHERE holder_id = %(id)s),
    EXISTS (SELECT 1 FROM collector_commands WHERE collector_id = %(id)s AND state IN ({open}) AND expires_at > {now})
"""
# Within one process a count only grows: a smaller one is late and adds nothing. A process without a name restarted.
_ADDED: Final = "CASE WHEN %({new})s >= {last} THEN %({new})s - {last} WHEN %(named)s THEN 0 ELSE %({new})s END"
_DIALECTS: Final = {
    "postgresql": {
        "now": "statement_timestamp()",
        "long_ago": f"statement_timestamp() - interval '{limits.KEY_USE_RECORDED_SECONDS} seconds'",
        "last_collection": "statement_timestamp() - CAST(%(collection_age)s AS double precision) * interval '1 second'",
        "clock_skew": "CAST(%(clock)s AS double precision) - CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS double precision)",
        "source": "CAST(%(source)s AS jsonb)",
        "spool": "CAST(%(spool)s AS jsonb)",
    },
    "sqlite": {
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "long_ago": f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-{limits.KEY_USE_RECORDED_SECONDS} seconds')",
        "last_collection": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || %(collection_age)s || ' seconds')",
        "clock_skew": "%(clock)s - (julianday('now') - 2440587.5) * 86400.0",
        "source": "%(source)s",
        "spool": "%(spool)s",
    },
}


class ClockSkew(Func):
    """How many seconds a clock is ahead of the database's; nothing of a clock that is not known. As the statement has it."""

    output_field = FloatField()

    def __init__(self, seconds: float | None) -> None:
        super().__init__(Value(seconds, output_field=FloatField()))

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:  # type: ignore[override]
        """Take the database's own arithmetic."""
        template = _DIALECTS[connection.vendor]["clock_skew"] % {"clock": "%(expressions)s"}
        return super().as_sql(compiler, connection, template=template, **context)


@dataclass(frozen=True)
class Written:
    """What the answer to a heartbeat is made from."""

    auto_collect: bool
    collection_interval_minutes: int
    config_version: int
    epoch: int
    holds_lease: bool = False
    has_commands: bool = False
    rotate_key: bool = False
    # Another process with the same key has begun since: this one is to do nothing.
    is_superseded: bool = False


def write(*, collector_id: int, key_digest: str, report: Report) -> Written | None:
    """Record the heartbeat if nothing but numbers changes; return None when anything else may."""
    if report.queries_collected is None or report.errors_count is None:
        return None
    settled = liveness.settled_statuses(bool(report.error), report.auto_collect)
    with connection.cursor() as cursor:
        cursor.execute(_statement(tuple(settled)), _parameters(collector_id, key_digest, report))
        row = cursor.fetchone()
    if row is None:
        return None
    return Written(
        epoch=row[0],
        auto_collect=bool(row[1]),
        collection_interval_minutes=row[2],
        config_version=row[3],
        rotate_key=bool(row[4]),
        holds_lease=bool(row[5]),
        has_commands=bool(row[6]),
    )


def _statement(settled: tuple[liveness.Status, ...]) -> str:
    return _STATEMENT.format(
        **_DIALECTS[connection.vendor],
        added_queries=_ADDED.format(new="queries", last="reported_queries"),
        added_errors=_ADDED.format(new="errors", last="reported_errors"),
        settled=", ".join(f"'{status.value}'" for status in settled),
        open=", ".join(f"'{state.value}'" for state in commands.OPEN),
    )


def _parameters(collector_id: int, key_digest: str, report: Report) -> dict[str, Any]:
    return {
        "id": collector_id,
        "digest": key_digest,
        "mark": mark_of(key_digest),
        "instance": report.instance,
        "named": bool(report.instance),
        "queries": report.queries_collected,
        "errors": report.errors_count,
        "uptime": report.uptime_seconds,
        "clock": report.agent_clock_seconds,
        "config_version": report.config_version,
        "collection_age": report.last_collection_age_seconds,
        "error": report.error,
        "version": report.version,
        "source": None if report.source is None else json.dumps(report.source),
        "spool": None if report.spool is None else json.dumps(report.spool),
        "stopping": report.stopping,
        "address": report.address,
    }
