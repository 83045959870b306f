"""The pass over deadlines: collectors that were not heard become OFFLINE, commands that were not done expire."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from collectors.domain import limits
from collectors.domain.liveness import SWEPT, Cause, Status
from collectors.models import ControlPlane, Heartbeat, StatusChange
from collectors.services import commands

_logger = logging.getLogger("CollectorHealthMonitor")
_CHUNK = 500

# A flip reads and writes this one row. With a join or a subquery in it, a heartbeat that committed between reading and
# writing was seen to be overruled; so the deadline comes in as a value.
_FLIP = """
UPDATE collector_heartbeats SET status = %s
WHERE collector_id IN ({ids}) AND status = %s AND starting_since < %s AND (last_heartbeat IS NULL OR last_heartbeat < %s)
RETURNING collector_id, organization_id, last_heartbeat
"""


@dataclass(frozen=True)
class Swept:
    """What one pass did."""

    offline: int
    expired_commands: int


def announce() -> None:
    """Say in the log that this process watches over the collectors."""
    _logger.info(
        "started: a pass every %d s, OFFLINE after %d s without a heartbeat",
        settings.DBPOWER_SWEEP_SECONDS,
        settings.DBPOWER_OFFLINE_AFTER_SECONDS,
    )


def sweep() -> Swept:
    """Do one pass. Any number may run at once: each flip and each expiry has one effect, whoever does it."""
    expired = _expire_commands()
    cutoff = _cutoff()
    offline = 0 if cutoff is None else sum(_flag_overdue(status, cutoff) for status in SWEPT)
    ControlPlane.objects.update(last_sweep_at=Now())
    return Swept(offline=offline, expired_commands=expired)


def _expire_commands() -> int:
    """Expire commands; when that fails the collectors are still looked at, and the next pass tries again."""
    try:
        with transaction.atomic():
            return commands.expire_overdue()
    except DatabaseError:
        _logger.exception("commands could not be expired")
        return 0


def _cutoff() -> datetime | None:
    """Return the time before which the last heartbeat is too old; None while nobody can be held to a deadline.

    That is so while no web process accepts heartbeats, and until one whole deadline has passed since one does again.
    """
    offline_after = timedelta(seconds=settings.DBPOWER_OFFLINE_AFTER_SECONDS)
    gap = timedelta(seconds=limits.WEB_GAP_SECONDS)
    return (
        ControlPlane.objects.annotate(cutoff=ExpressionWrapper(Now() - offline_after, DateTimeField()))
        .filter(web_seen_at__gt=Now() - gap, accepting_since__lt=F("cutoff"))
        .values_list("cutoff", flat=True)
        .first()
    )


def _flag_overdue(status: Status, cutoff: datetime) -> int:
    overdue = Heartbeat.objects.filter(status=status, starting_since__lt=cutoff)
    overdue = overdue.filter(Q(last_heartbeat=None) | Q(last_heartbeat__lt=cutoff))
    ids = list(overdue.order_by("pk").values_list("pk", flat=True))
    return sum(_flag(ids[start : start + _CHUNK], status, cutoff) for start in range(0, len(ids), _CHUNK))


def _flag(ids: list[int], status: Status, cutoff: datetime) -> int:
    """Flip these collectors; when that fails, each by itself, so that one bad row never holds up the others."""
    try:
        return _flip(ids, status, cutoff)
    except DatabaseError:
        if len(ids) == 1:
            _logger.exception("collector %d could not be flagged", ids[0])
            return 0
        return sum(_flag([collector_id], status, cutoff) for collector_id in ids)


@transaction.atomic
def _flip(ids: list[int], status: Status, cutoff: datetime) -> int:
    moment = connection.ops.adapt_datetimefield_value(cutoff)
    with connection.cursor() as cursor:
        statement = _FLIP.format(ids=", ".join(["%s"] * len(ids)))
        cursor.execute(statement, [Status.OFFLINE, *ids, status, moment, moment])
        flipped = cursor.fetchall()
    StatusChange.objects.bulk_create(
        StatusChange(
            organization_id=organization_id,
            collector_id=collector_id,
            old_status=status,
            new_status=Status.OFFLINE,
            cause=Cause.DEADLINE,
            last_heartbeat=_as_moment(last_heartbeat),
        )
        for collector_id, organization_id, last_heartbeat in flipped
    )
    for collector_id, _, last_heartbeat in flipped:
        _logger.warning("collector %d is OFFLINE, last heartbeat: %s", collector_id, last_heartbeat or "never")
    return len(flipped)


def _as_moment(stored: Any) -> datetime | None:
    """Return a moment that came without the ORM; SQLite's is text in UTC."""
    moment = parse_datetime(stored) if isinstance(stored, str) else stored
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
