"""What statuses a collector had over a period. Reading only; callers pass querysets that are already scoped."""

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from collectors.domain import uptime
from collectors.domain.liveness import Status
from collectors.domain.uptime import Flip, Stretch
from collectors.models import StatusChange

# A collector that flips more often than this within a period is shown from where its newest flips begin.
_MOST: Final = 5_000
_FIELDS: Final = ("changed_at", "new_status", "cause", "detail", "last_heartbeat")


def stretches(*, changes: QuerySet[StatusChange], since: datetime, until: datetime) -> list[Stretch]:
    """Return the statuses of one collector in a period, oldest first; `changes` are all its flips that may be seen."""
    within = changes.filter(changed_at__gte=since, changed_at__lt=until).order_by("-id").values_list(*_FIELDS)
    newest = list(within[:_MOST])
    if len(newest) < _MOST:
        newest += changes.filter(changed_at__lt=since).order_by("-id").values_list(*_FIELDS)[:1]
    flips = [Flip(at, Status(status), *why) for at, status, *why in reversed(newest)]
    return uptime.stretches(flips, since=since, until=until)
