"""Home: is anything wrong, and what costs most."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from collectors.access import Principal, permitted, visible_to
from collectors.admin import charts, concerns, signed_in
from collectors.admin.display import NOTHING, Unit, in_unit, number
from collectors.domain import periods, time_ranges
from collectors.domain.roles import Permission
from collectors.domain.time_ranges import TimeRange
from collectors.models import (
    Collector,
    Command,
    Cost,
    DatabaseCost,
    Gap,
    Heartbeat,
    Lease,
    MonitoredDatabase,
    StatusChange,
)
from collectors.services import attention, dearest, fleet, health, queries, series
from collectors.services.fleet import State, Tally

Line = list[int | None]

_SLOTS: Final = 50
# Of a large fleet the day is drawn in hours, which are rolled up already.
_SLOTS_OF_MANY: Final = 25
_MANY_DATABASES: Final = 100
# The busiest of them, to find the dearest statements among.
_LOOKED_THROUGH: Final = 200
_SPARK_SLOTS: Final = 25
_DATABASES_APART: Final = 7
_TOP: Final = 10
_GAPS_SHOWN: Final = 50
# Sign, what the list of collectors is narrowed by, and where a rise is bad, neutral or good news.
_STATES: Final[dict[State, tuple[str, str, int]]] = {
    State.ONLINE: ("check_circle", "ONLINE", 1),
    State.LATE: ("schedule", "LATE", -1),
    State.ERROR: ("error", "ERROR", -1),
    State.OFFLINE: ("cloud_off", "OFFLINE", -1),
    State.STOPPED: ("pause_circle", "STOPPED", 0),
    State.STARTING: ("hourglass_top", "STARTING", 0),
}


@dataclass(frozen=True)
class Tile:
    """A number of the fleet: its words and sign, the change over a day, and the list it leads to."""

    state: str
    title: str
    icon: str
    count: str
    change: str
    tone: str
    address: str


@dataclass(frozen=True)
class TopRow:
    """One of the dearest fingerprints."""

    text: str
    # Its own page; nothing while its text is not here.
    address: str
    database: str
    total: str
    share: int
    calls: str
    average: str
    spark: list[float | None]


def home_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows, as far as whoever is signed in may see it."""
    principal = signed_in.principal(request)
    now = timezone.now()
    context = fleet_context(principal, now)
    if not principal.holds(Permission.QUERY_VIEW):
        return context
    shown = _last_day(now)
    costs = visible_to(Cost.objects.all(), principal)
    totals = visible_to(DatabaseCost.objects.all(), principal)
    rows = queries.of_databases(costs=costs, totals=totals, since=shown.since)
    busiest: list[tuple[int, int]] = []
    if context["database_count"] > _MANY_DATABASES:
        busiest = list(dearest.databases(rows=rows, since=shown.since, until=shown.until)[:_LOOKED_THROUGH])
    return {**context, "load": _load(principal, rows, shown, busiest), "top": _top(costs, shown, busiest)}


def _last_day(now: datetime) -> TimeRange:
    """Return the last day from the beginning of an hour on: what it cost is rolled up, and the chart begins where the sums do."""
    return TimeRange(periods.floor(now - periods.DAY, periods.HOUR), now)


@require_safe
def fleet_page(request: HttpRequest) -> HttpResponse:
    """Answer the part of the page that a browser asks for again every few seconds."""
    context = fleet_context(signed_in.principal(request), timezone.now())
    return render(request, "admin/dbpower/home_fleet.html", context)


def fleet_context(principal: Principal, now: datetime) -> dict[str, Any]:
    """Return what is said of collectors, data, and the control plane itself."""
    heartbeats = visible_to(Heartbeat.objects.all(), principal)
    changes = visible_to(StatusChange.objects.all(), principal)
    databases = visible_to(MonitoredDatabase.objects.all(), principal)
    counts = fleet.counts(heartbeats=heartbeats, now=now)
    watched = attention.Watched(
        counts=counts,
        heartbeats=heartbeats,
        changes=changes,
        collectors=visible_to(Collector.objects.all(), principal),
        commands=visible_to(Command.objects.all(), principal),
        gaps=visible_to(Gap.objects.all(), principal),
    )
    state = health.detail()
    sees_collectors = principal.holds(Permission.COLLECTOR_VIEW)
    tallies = fleet.tallies(counts=counts, changes=changes, now=now) if sees_collectors else []
    # Whoever sees a database sees how fresh its data is, whether its collectors are shown or not.
    leases = permitted(Lease.objects.all(), principal, Permission.DATABASE_VIEW)
    data = fleet.data_freshness(databases=databases, leases=leases, now=now)
    return {
        "tiles": [_tile(tally) for tally in tallies],
        "collector_count": sum(tally.collectors for tally in tallies),
        "findings": [concerns.told(finding) for finding in attention.findings(watched, now=now, state=state)],
        "data": data,
        "database_count": data.fresh + data.stale + data.silent,
        "parts": _parts(state),
        "may_register": principal.holds(Permission.COLLECTOR_MANAGE),
        "sees_collectors": sees_collectors,
        "refreshed_at": now,
    }


def _tile(tally: Tally) -> Tile:
    icon, status, good = _STATES[tally.state]
    titles = {
        State.ONLINE: _("Online"),
        State.LATE: _("Late"),
        State.ERROR: _("Error"),
        State.OFFLINE: _("Offline"),
        State.STOPPED: _("Stopped"),
        State.STARTING: _("Starting"),
    }
    query = {"heartbeat__status__exact": status}
    change = tally.change or 0
    return Tile(
        state=tally.state,
        title=titles[tally.state],
        icon=icon,
        count=number(tally.collectors),
        change="" if tally.change is None else f"{'+' if change > 0 else ''}{number(change)}" if change else "±0",
        tone="good" if change * good > 0 else "bad" if change * good < 0 else "plain",
        address=f"{reverse('admin:collectors_collector_changelist')}?{urlencode(query)}",
    )


def _parts(state: health.Detail) -> list[tuple[str, bool, float | None]]:
    """Return each part of the control plane: its name, whether it lives, and how long ago it was seen, in seconds."""
    dead = set(state.dead)
    return [
        (_("Web"), "database" not in dead, state.web_seen_seconds),
        (_("Worker"), "worker" not in dead, state.worker_seen_seconds),
        (_("Beat"), "beat" not in dead, state.beat_seen_seconds),
        (_("Sweep"), "sweep" not in dead, state.last_sweep_seconds),
        (_("Broker"), "broker" not in dead, None),
    ]


def _load(
    principal: Principal, rows: QuerySet[Any], shown: TimeRange, busiest: Sequence[tuple[int, int]]
) -> charts.Chart:
    """Draw the load of all databases, the busiest apart: those that are named where there are many."""
    width = shown.slot(most=_SLOTS_OF_MANY if busiest else _SLOTS)
    lines = _lines_of_many(rows, shown, width, busiest) if busiest else _lines_of_few(rows, shown, width)
    gaps = queries.gaps_between(gaps=visible_to(Gap.objects.all(), principal), since=shown.since, until=shown.until)
    return charts.Chart(
        name="load",
        title=_("Time in statements, by database"),
        starts=time_ranges.starts(shown.since, shown.until, width),
        width=width,
        series=[charts.Series(title, line, Unit.NANOSECONDS) for title, line in lines],
        gaps=charts.stretches(queries.gap_lines(gaps, most=_GAPS_SHOWN)),
        zoom=reverse("admin:queries"),
    )


def _lines_of_few(costs: QuerySet[Any], shown: TimeRange, width: timedelta) -> list[tuple[str, Line]]:
    """Return the lines of the busiest databases and of all others, with their titles, from one look at what each of them cost."""
    found = _times(costs, shown, width, apart="database_id")
    totals = {key: sum(value or 0 for value in line) for key, line in found.items()}
    order = sorted(found, key=lambda key: -totals[key])
    busiest, others = order[:_DATABASES_APART], order[_DATABASES_APART:]
    names = _names(busiest)
    lines = [(names[pk], found[pk]) for pk in busiest if pk in names]
    if others:
        slots = zip(*(found[pk] for pk in others), strict=True)
        rest: Line = [sum(value or 0 for value in values) for values in slots]
        lines.append((_("All others"), rest))
    return lines


def _lines_of_many(
    costs: QuerySet[Any], shown: TimeRange, width: timedelta, busiest: Sequence[tuple[int, int]]
) -> list[tuple[str, Line]]:
    """Return the same where there may be more databases than numbers that are worth being told."""
    names = _names([pk for pk, _ in busiest[:_DATABASES_APART]])
    place = Case(
        *(When(database_id=pk, then=Value(place)) for place, pk in enumerate(names)),
        default=Value(len(names)),
        output_field=IntegerField(),
    )
    found = _times(costs.annotate(place=place), shown, width, apart="place")
    titles = [*names.values(), _("All others")]
    return [(titles[place], line) for place, line in sorted(found.items())]


def _times(costs: QuerySet[Any], shown: TimeRange, width: timedelta, *, apart: str) -> dict[int, Line]:
    """Return the time in statements of each slot, by the value that keeps them apart."""
    found = series.by_slot(
        costs=costs, since=shown.since, until=shown.until, width=width, sums=("total_time_ns",), apart=(apart,)
    )
    return {int(key): [slot["total_time_ns"] for slot in slots] for (key,), slots in found.items()}


def _names(ids: list[int]) -> dict[int, str]:
    """Return the names of databases, in the order of their ids here; of one that is gone there is none."""
    rows = MonitoredDatabase.objects.in_bulk(ids)
    return {pk: rows[pk].name for pk in ids if pk in rows}


def _top(costs: QuerySet[Cost], shown: TimeRange, busiest: Sequence[tuple[int, int]]) -> list[TopRow]:
    """Return the dearest fingerprints, each with its last day as a little line."""
    rows = dearest.statements(costs=costs, busiest=busiest, since=shown.since, until=shown.until, most=_TOP)
    lines = series.by_slot(
        costs=costs.filter(
            database_id__in={row["database_id"] for row in rows},
            statement__fingerprint__fingerprint_id__in={row["fingerprint_id"] for row in rows},
        ),
        since=shown.since,
        until=shown.until,
        width=shown.slot(most=_SPARK_SLOTS),
        sums=("total_time_ns",),
        apart=("database_id", "statement__fingerprint__fingerprint_id"),
    )
    most = max((row["sum_time_ns"] for row in rows), default=0)
    return [_top_row(row, lines.get((row["database_id"], row["fingerprint_id"]), []), most) for row in rows]


def _top_row(row: dict[str, Any], line: list[series.Totals], most: int) -> TopRow:
    calls, total = row["sum_calls"], row["sum_time_ns"]
    return TopRow(
        text=row["fingerprint"] or "",
        address=f"{reverse('admin:query', args=[pk])}?period=day" if (pk := row["statement__fingerprint"]) else "",
        database=row["database_name"],
        total=in_unit(total, Unit.NANOSECONDS),
        share=round(100 * total / most) if most else 0,
        calls=number(calls),
        average=in_unit(total / calls, Unit.NANOSECONDS) if calls else NOTHING,
        spark=[slot["total_time_ns"] for slot in line],
    )
