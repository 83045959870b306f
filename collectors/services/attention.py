"""What needs somebody's attention now, and why, worst first. Reading only; callers pass querysets that are already scoped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Substr

from collectors.domain.commands import CommandState, CommandType
from collectors.domain.liveness import Status
from collectors.models import Collector, Command, Gap, Heartbeat, StatusChange
from collectors.models.completeness import GapKind
from collectors.models.heartbeats import clock_is_wrong
from collectors.services import fleet, health
from collectors.services.fleet import State

_EXAMPLES: Final = 3
_DETAIL_CHARACTERS: Final = 160
# How long something may take before somebody should look.
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
    """What is looked at: rows that whoever asks may see, and `counts` of the heartbeats among them."""

    counts: fleet.Counts
    heartbeats: QuerySet[Heartbeat]
    changes: QuerySet[StatusChange]
    collectors: QuerySet[Collector]
    commands: QuerySet[Command]
    gaps: QuerySet[Gap]


def findings(watched: Watched, *, now: datetime, state: health.Detail) -> list[Finding]:
    """Return everything that is wrong, worst first."""
    found = [
        _control_plane(state),
        _offline(watched),
        _errors(watched),
        _duplicates(watched, now),
        _never_heard(watched, now),
        _late(watched),
        _gaps(watched.gaps, now),
        _commands(watched.commands, now),
        _keys(watched.collectors, now),
        _clocks(watched),
    ]
    return [finding for finding in found if finding.count]


def _control_plane(state: health.Detail) -> Finding:
    return Finding(Concern.CONTROL_PLANE, len(state.dead), [Example(name) for name in state.dead])


def _offline(watched: Watched) -> Finding:
    """Those that went OFFLINE last come first: what broke just now is at the top."""
    count = watched.counts.states[State.OFFLINE]
    if not count:
        return Finding(Concern.OFFLINE, 0)
    newest = watched.changes.filter(
        Exists(Heartbeat.objects.filter(pk=OuterRef("collector_id"), status=Status.OFFLINE)), new_status=Status.OFFLINE
    )
    examples: dict[int, Example] = {}
    fields = ("collector_id", "collector__name", "changed_at", "collector__heartbeat__address")
    for pk, name, changed_at, address in _at_most(newest.values_list(*fields)):
        examples.setdefault(pk, Example(name, pk, changed_at, address))
    return Finding(Concern.OFFLINE, count, list(examples.values())[:_EXAMPLES])


def _at_most(rows: QuerySet[Any, Any]) -> Iterator[Any]:
    # One collector may have gone OFFLINE several times lately.
    yield from rows.order_by("-id")[: 4 * _EXAMPLES]


def _errors(watched: Watched) -> Finding:
    # Of late ones nobody knows whether it still is so.
    rows = watched.heartbeats.filter(~watched.counts.late, status=Status.ERROR)
    return _of(Concern.ERROR, watched.counts.states[State.ERROR], rows, "last_error_at", "last_error")


def _duplicates(watched: Watched, now: datetime) -> Finding:
    rows = watched.heartbeats.filter(fleet.duplicates(now))
    return _of(Concern.DUPLICATE, watched.counts.duplicates, rows, "duplicate_seen_at", "address")


def _never_heard(watched: Watched, now: datetime) -> Finding:
    rows = watched.heartbeats.filter(fleet.never_heard(now))
    return _of(Concern.NEVER_HEARD, watched.counts.never_heard, rows, "starting_since")


def _late(watched: Watched) -> Finding:
    rows = watched.heartbeats.filter(watched.counts.late)
    return _of(Concern.LATE, watched.counts.states[State.LATE], rows, "last_heartbeat", "address")


def _of(concern: Concern, count: int, rows: QuerySet[Heartbeat], since: str, detail: str = "") -> Finding:
    """Return the finding; where nothing is wrong, no rows are looked for."""
    return Finding(concern, count, _examples(rows, since, detail) if count else [])


def _clocks(watched: Watched) -> Finding:
    if not watched.counts.wrong_clocks:
        return Finding(Concern.CLOCKS, 0)
    newest = watched.heartbeats.filter(clock_is_wrong()).order_by("-last_heartbeat", "pk")
    told = newest.values_list("collector__name", "pk", "last_heartbeat", "clock_skew_seconds")[:_EXAMPLES]
    examples = [Example(name, pk, at, f"{skew:.3f}") for name, pk, at, skew in told]
    return Finding(Concern.CLOCKS, watched.counts.wrong_clocks, examples)


def _examples(rows: QuerySet[Heartbeat], since: str, detail: str = "") -> list[Example]:
    """Return the newest rows with what is known of them; texts of agents may be long, and are cut by the database."""
    # Which they are is found by their own table alone: in an outage there are as many of them as there are collectors.
    newest = list(rows.order_by(f"-{since}", "pk").values_list("pk", flat=True)[:_EXAMPLES])
    named = Heartbeat.objects.filter(pk__in=newest)
    fields = ["collector__name", "pk", since]
    if detail:
        named, fields = named.annotate(shown=Substr(detail, 1, _DETAIL_CHARACTERS)), [*fields, "shown"]
    return [Example(*row) for row in named.order_by(f"-{since}", "pk").values_list(*fields)]


def _gaps(gaps: QuerySet[Gap], now: datetime) -> Finding:
    rows = gaps.filter(kind__in=_LOSSES, covered_to__gte=now - _RECENT)
    newest = rows.order_by("-covered_to", "-pk").annotate(page=Value(None, BigIntegerField()))
    return _counted(Concern.GAPS, newest.values_list("database__name", "page", "covered_to", "kind"))


def _commands(commands: QuerySet[Command], now: datetime) -> Finding:
    rows = commands.filter(state__in=(CommandState.FAILED, CommandState.EXPIRED), created_at__gte=now - _RECENT)
    # That a statement cannot be planned is no trouble of a collector's, and whoever asked is told so.
    rows = rows.exclude(command=CommandType.EXPLAIN, state=CommandState.FAILED)
    newest = rows.order_by("-id").values_list("collector__name", "collector_id", "ended_at", "command")
    return _counted(Concern.COMMANDS, newest)


def _keys(collectors: QuerySet[Collector], now: datetime) -> Finding:
    rows = collectors.filter(key_rotation_requested_at__lt=now - _NEW_KEY)
    newest = rows.order_by("key_rotation_requested_at", "pk").values_list("name", "pk", "key_rotation_requested_at")
    return _counted(Concern.KEYS, newest)


def _counted(concern: Concern, newest: QuerySet[Any, Any]) -> Finding:
    """Return the finding about rows with the members of Example; where there are none, they are not looked for again."""
    count = newest.count()
    return Finding(concern, count, [Example(*row) for row in newest[:_EXAMPLES]] if count else [])
