"""How long rows are kept: an organization's own days, or those of this installation. Always whole days (UTC) before today."""

from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from collectors.domain import limits, periods
from collectors.models import Organization, SlowQuery

Row = TypeVar("Row", bound=Model)

_DEFAULTS: Final = {
    "history_retention_days": limits.HISTORY_RETENTION_DAYS,
    "slow_query_retention_days": limits.SLOW_QUERY_RETENTION_DAYS,
}


def start_of(days: int, now: datetime | None = None) -> datetime:
    """Return the beginning of the oldest day that is kept for `days`."""
    return periods.floor(now or timezone.now(), periods.DAY) - timedelta(days=days)


def longest(member: str) -> int:
    """Return the most days that any organization keeps rows, by `history_retention_days` or `slow_query_retention_days`."""
    own = Organization.objects.order_by().values_list(member, flat=True).distinct()
    return max((_days(member, days) for days in own), default=_DEFAULTS[member])


def by_days(member: str) -> list[tuple[int, QuerySet[Organization]]]:
    """Return the days that rows are kept, each with the organizations that keep theirs for so long."""
    own = Organization.objects.order_by().values_list(member, flat=True).distinct()
    return [(_days(member, days), Organization.objects.filter(**{member: days})) for days in own]


def starts(now: datetime) -> set[datetime]:
    """Return the beginnings of the oldest days that organizations keep numbers of."""
    member = "history_retention_days"
    own = Organization.objects.order_by().values_list(member, flat=True).distinct()
    return {start_of(_days(member, days), now) for days in own}


def oldest_written(organization: Organization) -> datetime:
    """Return the time before which nothing is added any more: the numbers are rolled up for good, or not kept."""
    kept = _days("history_retention_days", organization.history_retention_days)
    return start_of(min(limits.BUCKET_RETENTION_DAYS, kept))


def oldest_slow_query(organization: Organization) -> datetime:
    """Return the time before which single executions are not kept."""
    return start_of(_days("slow_query_retention_days", organization.slow_query_retention_days))


def kept(rows: QuerySet[Row], *, since: datetime | None = None) -> QuerySet[Row]:
    """Return the rows, with an `organization_id` and a `started_at`, that their organizations still keep; others are on their way out.

    Of rows that all begin from `since` on only the retentions are asked that end later: most periods need none.
    """
    day = None if since is None else periods.floor(since, periods.DAY)
    member = "slow_query_retention_days" if rows.model is SlowQuery else "history_retention_days"
    # By the rows' own column: millions of them must not be joined to learn whose they are.
    with_own = Organization.objects.order_by().exclude(**{member: None})
    gone = Q()
    for days in (None, *with_own.values_list(member, flat=True).distinct()):
        start = start_of(_days(member, days))
        if day is None or day < start:
            gone |= Q(_of_those(with_own, member, days), started_at__lt=start)
    return rows.filter(~gone) if gone else rows


def _of_those(with_own: QuerySet[Organization], member: str, days: int | None) -> Q:
    """Return the condition of rows whose organizations keep them for their own number of days, or have none of their own."""
    if days is not None:
        return Q(organization_id__in=with_own.filter(**{member: days}).values("pk"))
    return ~Q(organization_id__in=with_own.values("pk")) if with_own.exists() else Q()


def _days(member: str, own: Any) -> int:
    return _DEFAULTS[member] if own is None else int(own)
