"""How far a new collector is on its way from registration to its first numbers, and what is missing. Reading only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from collectors.domain import periods
from collectors.models import AuditEntry, Bucket, Collector

# Wrong keys are looked for among so many of the newest entries of the audit.
_ENTRIES_LOOKED_AT: Final = 200
_NUMBERS_OF: Final = timedelta(hours=2)


@dataclass(frozen=True)
class Arrival:
    """What has arrived so far.

    `heard_at` and `collected_at` are None until the agent was heard, and has collected once. `readable` is None until the
    agent has looked at its source; `trouble` and `remedy` say what is wrong with it, or what the agent last complained of.
    `refused_from` is the address from which a key was sent lately that is not the collector's.
    """

    registered_at: datetime
    heard_at: datetime | None
    address: str
    version: str
    readable: bool | None
    trouble: str
    remedy: str
    collected_at: datetime | None
    has_numbers: bool
    refused_from: str
    interval: timedelta

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.heard_at is not None and self.has_numbers


def arrival(collector: Collector) -> Arrival:
    """Return how far the collector is. Callers select its `heartbeat` with it."""
    heartbeat = collector.heartbeat
    trouble, remedy = _trouble(heartbeat.source)
    return Arrival(
        registered_at=collector.created_at,
        heard_at=heartbeat.last_heartbeat,
        address=heartbeat.address,
        version=heartbeat.version,
        readable=collector.source_readable,
        trouble=trouble or heartbeat.last_error,
        remedy=remedy,
        collected_at=heartbeat.last_collection,
        has_numbers=_has_numbers(collector),
        refused_from="" if heartbeat.last_heartbeat else refused_from(collector),
        interval=timedelta(minutes=collector.collection_interval_minutes),
    )


def _trouble(told: Any) -> tuple[str, str]:
    """Return what the agent says of the first source that it cannot read, and what mends it."""
    if not isinstance(told, dict):
        return "", ""
    for source in told.get("sources") or [told]:
        if isinstance(source, dict) and source.get("readable") is False:
            return str(source.get("detail") or source.get("code") or ""), str(source.get("remedy") or "")
    return "", ""


def _has_numbers(collector: Collector) -> bool:
    """Tell whether numbers of the database came in since the collector was there."""
    since = max(collector.created_at, timezone.now() - _NUMBERS_OF) - periods.BUCKET
    return Bucket.objects.filter(database_id=collector.database_id, started_at__gte=since).exists()


def refused_from(collector: Collector) -> str:
    """Return where a wrong key came from that was sent to this collector's address since it was last heard, empty when none was."""
    since = collector.heartbeat.last_heartbeat or collector.created_at
    newest = AuditEntry.objects.filter(organization_id=collector.organization_id, created_at__gte=since).order_by("-id")
    for action, after, address in newest.values_list("action", "after", "address")[:_ENTRIES_LOOKED_AT]:
        if action == "key.refused" and f"/collectors/{collector.pk}/" in str(after.get("path")):
            return str(address)
    return ""
