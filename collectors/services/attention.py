"""What needs somebody's attention now, and why, worst first. Reading only; callers pass querysets that are already scoped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Substr

from collectors.domain import limits
from collectors.domain.commands import CommandState, CommandType
from collectors.domain.liveness import Status
from collectors.models import Collector, Command, Gap, Heartbeat, StatusChange
from collectors.models.completeness import GapKind
from collectors.models.heartbeats import clock_is_wrong
from collectors.services import fleet, health

_EXAMPLES: Final = 3
_DETAIL_CHARACTERS: Final = 160
# How long something may take before somebody should look.
_FIRST_HEARTBEAT: Final = timedelta(minutes=15)
_NEW_KEY: Final = timedelta(days=1)
_RECENT: Final = timedelta(days=1)
# Gaps that say that something was lost. The others say since when, or how exactly, something is known.
_LOSSES: Final = (GapKind.LOST_ROWS, GapKind.MISSED, GapKind.SPOOL, GapKind.OVERFLOW, GapKind.EVICTIONS)


class Concern(StrEnum):
    """What is wrong, worst first."""

    CONTROL_PLANE = "control_plane"
    OFFLINE = "offline"
    ERROR = "error"
    DUPLICATE = "duplicate"
    NEVER_HEARD = "never_heard"
    LATE = "late"
    GAPS = "gaps"
    COMMANDS = "commands"
    KEYS = "keys"
    CLOCKS = "clocks"


@dataclass(frozen=True)
class Example:
    """One of the rows that a finding is about: its name, since when, and what is known. Without an id it has no page."""

    name: str
    pk: int | None = None
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """Something wrong with `count` rows, a few of which are named, newest first."""

    concern: Concern
    count: int
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Watched:
    """What is looked at: rows that whoever asks may see."""

    heartbeats: QuerySet[Heartbeat]
    changes: QuerySet[StatusChange]
    collectors: QuerySet[Collector]
    commands: QuerySet[Command]
    gaps: QuerySet[Gap]


def findings(watched: Watched, *, now: datetime, state: health.Detail) -> list[Finding]:
    """Return everything that is wrong, worst first."""
    late = fleet.is_late(now)
    found = [
        _control_plane(state),
        _offline(watched),
        _errors(watched.heartbeats, late),
        _duplicates(watched.heartbeats, now),
        _never_heard(watched.heartbeats, now),
        _late(watched.heartbeats, late),
        _gaps(watched.gaps, now),
        _commands(watched.commands, now),
        _keys(watched.collectors, now),
        _clocks(watched.heartbeats),
    ]
    return [finding for finding in found if finding.count]


def _control_plane(state: health.Detail) -> Finding:
    return Finding(Concern.CONTROL_PLANE, len(state.dead), [Example(name) for name in state.dead])


def _offline(watched: Watched) -> Finding:
    """Those that went OFFLINE last come first: what broke just now is at the top."""
    rows = watched.heartbeats.filter(status=Status.OFFLINE)
    newest = watched.changes.filter(
        Exists(Heartbeat.objects.filter(pk=OuterRef("collector_id"), status=Status.OFFLINE)), new_status=Status.OFFLINE
    )
    examples: dict[int, Example] = {}
    fields = ("collector_id", "collector__name", "changed_at", "collector__heartbeat__address")
    for pk, name, changed_at, address in _at_most(newest.values_list(*fields)):
        examples.setdefault(pk, Example(name, pk, changed_at, address))
    return Finding(Concern.OFFLINE, rows.count(), list(examples.values())[:_EXAMPLES])


def _at_most(rows: QuerySet[Any, Any]) -> Iterator[Any]:
    # One collector may have gone OFFLINE several times lately.
    yield from rows.order_by("-id")[: 4 * _EXAMPLES]


def _errors(heartbeats: QuerySet[Heartbeat], late: Q) -> Finding:
    # Of late ones nobody knows whether it still is so.
    rows = heartbeats.filter(~late, status=Status.ERROR)
    return Finding(Concern.ERROR, rows.count(), _examples(rows, "last_error_at", "last_error"))


def _duplicates(heartbeats: QuerySet[Heartbeat], now: datetime) -> Finding:
    shown = now - timedelta(seconds=limits.DUPLICATE_SHOWN_SECONDS)
    rows = heartbeats.filter(duplicate_seen_at__gt=shown)
    return Finding(Concern.DUPLICATE, rows.count(), _examples(rows, "duplicate_seen_at", "address"))


def _never_heard(heartbeats: QuerySet[Heartbeat], now: datetime) -> Finding:
    rows = heartbeats.filter(last_heartbeat=None, starting_since__lt=now - _FIRST_HEARTBEAT)
    return Finding(Concern.NEVER_HEARD, rows.count(), _examples(rows, "starting_since"))


def _late(heartbeats: QuerySet[Heartbeat], late: Q) -> Finding:
    rows = heartbeats.filter(late)
    return Finding(Concern.LATE, rows.count(), _examples(rows, "last_heartbeat", "address"))


def _clocks(heartbeats: QuerySet[Heartbeat]) -> Finding:
    rows = heartbeats.filter(clock_is_wrong())
    newest = rows.order_by("-last_heartbeat", "pk").values_list(
        "collector__name", "pk", "last_heartbeat", "clock_skew_seconds"
    )
    examples = [Example(name, pk, at, f"{skew:.3f}") for name, pk, at, skew in newest[:_EXAMPLES]]
    # Nearly always there are none, and then the rows were read once.
    return Finding(Concern.CLOCKS, rows.count() if examples else 0, examples)


def _examples(rows: QuerySet[Heartbeat], since: str, detail: str = "") -> list[Example]:
    """Return the newest rows with what is known of them; texts of agents may be long, and are cut by the database."""
    fields = ["collector__name", "pk", since]
    if detail:
        rows, fields = rows.annotate(shown=Substr(detail, 1, _DETAIL_CHARACTERS)), [*fields, "shown"]
    return [Example(*row) for row in rows.order_by(f"-{since}", "pk").values_list(*fields)[:_EXAMPLES]]


def _gaps(gaps: QuerySet[Gap], now: datetime) -> Finding:
    rows = gaps.filter(kind__in=_LOSSES, covered_to__gte=now - _RECENT)
    newest = rows.order_by("-covered_to", "-pk").values_list("database__name", "covered_to", "kind")[:_EXAMPLES]
    examples = [Example(name, None, covered_to, kind) for name, covered_to, kind in newest]
    return Finding(Concern.GAPS, rows.count(), examples)


def _commands(commands: QuerySet[Command], now: datetime) -> Finding:
    rows = commands.filter(state__in=(CommandState.FAILED, CommandState.EXPIRED), created_at__gte=now - _RECENT)
    # That a statement cannot be planned is no trouble of a collector's, and whoever asked is told so.
    rows = rows.exclude(command=CommandType.EXPLAIN, state=CommandState.FAILED)
    newest = rows.order_by("-id").values_list("collector__name", "collector_id", "ended_at", "command")[:_EXAMPLES]
    return Finding(Concern.COMMANDS, rows.count(), [Example(*row) for row in newest])


def _keys(collectors: QuerySet[Collector], now: datetime) -> Finding:
    rows = collectors.filter(key_rotation_requested_at__lt=now - _NEW_KEY)
    newest = rows.order_by("key_rotation_requested_at", "pk").values_list("name", "pk", "key_rotation_requested_at")
    return Finding(Concern.KEYS, rows.count(), [Example(*row) for row in newest[:_EXAMPLES]])
