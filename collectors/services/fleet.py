"""The fleet at a glance: how many collectors are in which state, how that changed, and how fresh the data is.

Reading only; callers pass querysets that are already scoped.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, F, FloatField, Func, Q, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, NullIf

from collectors.domain import freshness, limits, liveness
from collectors.domain.liveness import Status
from collectors.models import Collector, ControlPlane, Heartbeat, Lease, MonitoredDatabase, StatusChange
from collectors.models.heartbeats import clock_is_wrong

_A_DAY: Final = timedelta(days=1)
# How long a first heartbeat may take before somebody should look.
_FIRST_HEARTBEAT: Final = timedelta(minutes=15)


class State(StrEnum):
    """A collector's status, and apart from it those that are late, whatever they said last (`liveness.late_before`)."""

    ONLINE = "online"
    LATE = "late"
    ERROR = "error"
    OFFLINE = "offline"
    STOPPED = "stopped"
    STARTING = "starting"


@dataclass(frozen=True)
class Counts:
    """How many collectors are in each state, and how many of all were never heard, are run twice, or tell a wrong time.

    `late` is the condition of those that are counted as late, each of them in this state alone.
    """

    states: dict[State, int]
    late: Q
    never_heard: int
    duplicates: int
    wrong_clocks: int


@dataclass(frozen=True)
class Tally:
    """How many collectors are in a state, and how many more than a day ago; None for late ones, of whom no history is kept."""

    state: State
    collectors: int
    change: int | None


@dataclass(frozen=True)
class Freshness:
    """How many databases have data that is as new as it should be, data that is older, and none that anybody collects."""

    fresh: int
    stale: int
    silent: int


class Epoch(Func):
    """A moment in seconds since 1970."""

    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Read the text in which SQLite keeps a moment."""
        return self.as_sql(compiler, connection, template="CAST(strftime('%%%%s', %(expressions)s) AS real)", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Let PostgreSQL count."""
        # Not EXTRACT, whose exact number takes longer to tell.
        template = "DATE_PART('epoch', %(expressions)s)"
        return self.as_sql(compiler, connection, template=template, **context)


def late_cutoff(now: datetime) -> datetime | None:
    """Return the time before which a last heartbeat is late, as the control plane's own outages allow."""
    return liveness.late_before(
        now=now,
        accepting_since=ControlPlane.objects.accepting_since(),
        heartbeat=timedelta(seconds=settings.DBPOWER_HEARTBEAT_SECONDS),
    )


def is_late(now: datetime) -> Q:
    """Return what is asked of heartbeats to find those that are overdue and not OFFLINE yet, as the list of collectors does."""
    cutoff = late_cutoff(now)
    return Q(status__in=liveness.MAY_BE_LATE, last_heartbeat__lt=cutoff) if cutoff else Q(pk__in=[])


def counts(*, heartbeats: QuerySet[Heartbeat], now: datetime) -> Counts:
    """Return how many collectors are in each state, from one look at each: a heartbeat's row is read whole, whatever is asked of it."""
    late = is_late(now)
    wanted = {state.value: Q(status=state.upper()) for state in State if state is not State.LATE}
    wanted |= {_late_ones(status): late & Q(status=status) for status in liveness.MAY_BE_LATE}
    wanted |= {"never_heard": never_heard(now), "duplicates": duplicates(now), "wrong_clocks": clock_is_wrong()}
    found = heartbeats.order_by().aggregate(
        **{name: Count("pk", filter=condition) for name, condition in wanted.items()}
    )
    states: dict[State, int] = {state: found[state] for state in State if state is not State.LATE}
    for status in liveness.MAY_BE_LATE:
        states[State(status.lower())] -= found[_late_ones(status)]
    states[State.LATE] = sum(found[_late_ones(status)] for status in liveness.MAY_BE_LATE)
    return Counts(states, late, found["never_heard"], found["duplicates"], found["wrong_clocks"])


def _late_ones(status: Status) -> str:
    return f"late_{status.lower()}"


def never_heard(now: datetime) -> Q:
    """Return the condition of those that should have been heard by now and never were."""
    # None of these is ONLINE; said like this, they are found by the index of those that are not.
    unwell = [status.value for status in Status if status is not Status.ONLINE]
    return Q(status__in=unwell, last_heartbeat=None, starting_since__lt=now - _FIRST_HEARTBEAT)


def duplicates(now: datetime) -> Q:
    """Return the condition of those of which two agents were noticed lately."""
    return Q(duplicate_seen_at__gt=now - timedelta(seconds=limits.DUPLICATE_SHOWN_SECONDS))


def tallies(*, counts: Counts, changes: QuerySet[StatusChange], now: datetime) -> list[Tally]:
    """Return the number of collectors in each state, with the net of all flips within a day."""
    net = _net(changes.filter(changed_at__gte=now - _A_DAY))
    return [
        Tally(state, counts.states[state], None if state is State.LATE else net.get(state.upper(), 0))
        for state in State
    ]


def _net(changes: QuerySet[StatusChange]) -> dict[str, int]:
    """Return by how many each status grew. A collector that went back and forth changes nothing."""
    net: dict[str, int] = {}
    for old, new, flips in changes.order_by().values_list("old_status", "new_status").annotate(Count("pk")):
        net[old] = net.get(old, 0) - flips
        net[new] = net.get(new, 0) + flips
    return net


def data_freshness(*, databases: QuerySet[MonitoredDatabase], leases: QuerySet[Lease], now: datetime) -> Freshness:
    """Return how fresh the databases' data is: `domain.freshness` in the database's own arithmetic, for fleets of any size.

    `leases` are those of the same databases: their holders' heartbeats tell, without the databases and collectors themselves.
    """
    held = leases.filter(holder__isnull=False).order_by()
    # SQLite says a JSON null in letters.
    age = NullIf(KeyTextTransform("data_age_seconds", "spool"), Value("null"))
    told = Heartbeat.objects.filter(collector__in=held.values("holder")).order_by()
    told = told.annotate(reaches_to=Epoch("last_heartbeat") - Cast(age, FloatField()))
    usual = _reaching(limits.COLLECTION_INTERVAL_MINUTES, now)
    own = _reaching(Cast(F("collector__collection_interval_minutes"), FloatField()), now)
    # Most collect as often as is usual. The few others are judged apart: so that not every collector has to be read.
    unusual = Collector.objects.order_by().exclude(collection_interval_minutes=limits.COLLECTION_INTERVAL_MINUTES)
    others = told.filter(collector__in=unusual.values("pk")).aggregate(
        fresh=Count("pk", filter=own), as_usual=Count("pk", filter=usual)
    )
    fresh, known = told.filter(usual).count() + others["fresh"] - others["as_usual"], held.count()
    return Freshness(fresh, known - fresh, databases.count() - known)


def _reaching(interval_minutes: Any, now: datetime) -> Q:
    """Return the condition of what reaches far enough to be fresh (`freshness.is_fresh`)."""
    margin = freshness.MARGIN.total_seconds()
    return Q(reaches_to__gte=now.timestamp() - margin - interval_minutes * (freshness.INTERVALS * 60))
