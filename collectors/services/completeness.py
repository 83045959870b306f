"""What is known to be missing, written beside the numbers it concerns."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from collectors.domain.sources import Source
from collectors.models import Gap, MonitoredDatabase
from collectors.models.completeness import GapKind
from collectors.services import retention
from collectors.services.ledger import BucketAdditions

# What an agent reports with an upload, and the kind of gap it is when it is not zero.
_REPORTED: Final = {
    "evictions": GapKind.EVICTIONS,
    "overflow_calls": GapKind.OVERFLOW,
    "lost_rows": GapKind.LOST_ROWS,
    "missed_polls": GapKind.MISSED,
    "approximate_rows": GapKind.APPROXIMATE,
    "spool_dropped_files": GapKind.SPOOL,
}


def record_gap(
    *,
    database: MonitoredDatabase,
    source: Source,
    kind: GapKind,
    amount: int | None,
    start: datetime,
    end: datetime,
    detail: str = "",
) -> None:
    """Record that numbers of a period are not whole. `amount` is None when the size cannot be known."""
    Gap.objects.create(
        organization_id=database.organization_id,
        database=database,
        source=source,
        kind=kind,
        amount=amount,
        covered_from=min(start, end),
        covered_to=end,
        detail=detail[:500],
    )


def record_reported(
    *, database: MonitoredDatabase, source: Source, completeness: Mapping[str, Any], start: datetime, end: datetime
) -> None:
    """Record what the agent says is missing from an upload. Called once per upload that was taken."""
    detail = "; ".join(completeness.get("reasons", []))
    for name, kind in _REPORTED.items():
        amount = completeness.get(name, 0)
        if amount is None or amount > 0:
            record_gap(
                database=database,
                source=source,
                kind=kind,
                amount=None if amount is None else int(amount),
                start=start,
                end=end,
                detail=detail,
            )


def record_expired(*, database: MonitoredDatabase, source: Source, additions: BucketAdditions, start: datetime) -> None:
    """Record what came so late that it is past its retention; `start` is the earliest time of what came."""
    if additions.expired:
        record_gap(
            database=database,
            source=source,
            kind=GapKind.EXPIRED,
            amount=additions.expired,
            start=start,
            end=additions.oldest,
        )


def forget_old() -> None:
    """Remove the gaps of times whose numbers are removed; those that were noticed only lately tell why numbers differ now."""
    for days, organizations in retention.by_days("history_retention_days"):
        owners, start = organizations.order_by().values("pk"), retention.start_of(days)
        Gap.objects.filter(organization_id__in=owners, covered_to__lt=start, created_at__lt=start).delete()
