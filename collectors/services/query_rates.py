"""How many queries a minute each collector collects, told from its own totals.

A total moves only when the agent collects, so a rate is taken from one collection to another: the total and the time of the
collection come from the same heartbeat. Two of them at least QUERY_RATE_SECONDS apart are compared, by one statement over
all collectors once a minute; the heartbeat's own statement stays as it is. Nothing is made up: without two totals there is
no rate, and an agent that has stopped collecting leaves one that is old, which readers show no longer.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from collectors.domain import limits
from collectors.models import QueryRate

_FIRST: Final = """
INSERT INTO collector_query_rates (collector_id, organization_id, queries, collected_at)
SELECT collector_id, organization_id, queries_collected, last_collection FROM collector_heartbeats
WHERE last_collection IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM collector_query_rates WHERE collector_id = collector_heartbeats.collector_id)
ON CONFLICT DO NOTHING
"""
_NEXT: Final = """
UPDATE collector_query_rates AS rate SET
    since = rate.collected_at,
    collected_at = beat.last_collection,
    queries = beat.queries_collected,
    per_minute = (beat.queries_collected - rate.queries) * 60.0 / ({seconds})
FROM collector_heartbeats AS beat
WHERE beat.collector_id = rate.collector_id AND {seconds} >= %s
"""
_SECONDS: Final = {
    "postgresql": "EXTRACT(EPOCH FROM beat.last_collection - rate.collected_at)::double precision",
    "sqlite": "((julianday(beat.last_collection) - julianday(rate.collected_at)) * 86400.0)",
}


@transaction.atomic
def measure() -> int:
    """Bring the rates up to date; return how many there are new. Any number of these may run at once."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT.format(seconds=_SECONDS[connection.vendor]), [limits.QUERY_RATE_SECONDS])
        measured: int = cursor.rowcount
        # A total of now is the first of a pair, so new ones come last.
        cursor.execute(_FIRST)
    return measured


def per_minute(rate: QueryRate | None, *, now: datetime, interval_minutes: int) -> float | None:
    """Return the rate while it tells of now: None when the next one ought to have been here for long."""
    if rate is None or rate.per_minute is None:
        return None
    window = max(timedelta(seconds=limits.QUERY_RATE_SECONDS), timedelta(minutes=interval_minutes))
    return rate.per_minute if now - rate.collected_at <= limits.QUERY_RATE_SHOWN * window else None
