"""What statements cost over a period. Reading only; callers pass querysets that are already scoped."""

from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Case, F, Max, Min, Q, QuerySet, Sum, When

from collectors.domain.sources import Source
from collectors.models import Bucket, Gap

# What follows any ordering of the rows below, so that equal ones keep their places between pages.
TIES = ("database_id", "fingerprint_id", "statement_apart")


def top_fingerprints(*, buckets: QuerySet[Bucket], since: datetime, until: datetime) -> QuerySet[Bucket, Any]:
    """Return one row per fingerprint and database, dearest first.

    Members: `fingerprint_id` and `fingerprint` (None while the text is not here; such statements stay apart by their id in
    `statement_apart`, which is 0 otherwise), `database_id`, `database_name`, `source`, `sum_calls`, `sum_time_ns`,
    `least_time_ns`, `greatest_time_ns` (None where no extreme is known), `sum_rows`, `sum_rows_examined`.
    """
    period = counted_once(buckets).filter(started_at__gte=since, started_at__lt=until)
    # Statements of unknown text must not melt into one row.
    statement = Case(
        When(statement__fingerprint=None, then=F("statement_id")), default=0, output_field=BigIntegerField()
    )
    return (
        period.annotate(statement_apart=statement)
        .values(
            "statement_apart",
            "database_id",
            database_name=F("database__name"),
            source=F("statement__source"),
            fingerprint_id=F("statement__fingerprint__fingerprint_id"),
            fingerprint=F("statement__fingerprint__text"),
        )
        .annotate(
            sum_calls=Sum("calls"),
            sum_time_ns=Sum("total_time_ns"),
            least_time_ns=Min("min_time_ns"),
            greatest_time_ns=Max("max_time_ns"),
            sum_rows=Sum("rows"),
            sum_rows_examined=Sum("rows_examined"),
        )
        .order_by("-sum_time_ns", *TIES)
    )


def counted_once(buckets: QuerySet[Bucket]) -> QuerySet[Bucket]:
    """Return the buckets that make up totals: a call is in one source of its database only.

    From the first snapshot of performance_schema on, which holds every statement, the slow log's executions are in it
    too: their buckets stay stored and do not count. The slow log goes on giving the single executions.
    """
    return buckets.filter(
        ~Q(statement__source=Source.SLOW_LOG)
        | Q(database__digests_since=None)
        | Q(started_at__lt=F("database__digests_since"))
    )


def gaps_between(*, gaps: QuerySet[Gap], since: datetime | None, until: datetime | None) -> QuerySet[Gap]:
    """Return what is known to be missing from the numbers of a period, newest first; None leaves that side open."""
    if since is not None:
        gaps = gaps.filter(covered_to__gte=since)
    if until is not None:
        gaps = gaps.filter(covered_from__lte=until)
    return gaps.order_by("-covered_to", "-pk")
