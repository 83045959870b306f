"""One statement over time: small charts beside each other, with what happened to the collectors of its databases."""

from collections.abc import Collection, Sequence
from typing import Final

from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin import charts
from collectors.admin.display import Unit
from collectors.domain.liveness import Status
from collectors.domain.time_ranges import TimeRange
from collectors.models import Latency, StatusChange
from collectors.services import query_details, series
from collectors.services.query_narrowing import narrowed
from collectors.services.series import Totals
from collectors.services.top_queries import Question

_SLOTS: Final = 48
_MARKS: Final = 60
_SUMS: Final = ("calls", "total_time_ns", "rows", "rows_examined", "shared_blks_read", "lock_time_ns")
# The name, the title and the lines of a chart.
Drawn = tuple[str, str, list[charts.Series]]
_TONES: Final = {Status.ONLINE: "good", Status.OFFLINE: "bad", Status.ERROR: "bad"}


def query_charts(
    question: Question, principal: Principal, *, gaps: Sequence[charts.Stretch], databases: Collection[int]
) -> list[charts.Chart]:
    """Return the charts of one statement: those of numbers that its sources count."""
    shown = question.shown
    width = shown.slot(most=_SLOTS)
    costs = narrowed(question.costs, question.narrowing)
    slots = series.by_slot(costs=costs, since=shown.since, until=shown.until, width=width, sums=_SUMS)[()]
    sketches = visible_to(Latency.objects.all(), principal)
    starts, quantiles = query_details.percentiles_over_time(question, sketches, width=width)
    marks = _marks(shown, principal, databases)
    return [
        charts.Chart(name, title, starts, width, lines, gaps=gaps, marks=marks, stacked=False)
        for name, title, lines in (*_always(slots, quantiles), *_where_counted(slots))
    ]


def _always(slots: Sequence[Totals], quantiles: Sequence[list[int | None]]) -> list[Drawn]:
    """Return what every source counts. Percentiles are told of slow logs alone."""
    calls = [slot["calls"] for slot in slots]
    times = [slot["total_time_ns"] for slot in slots]
    percentiles = [
        charts.Series(title, values, Unit.NANOSECONDS, kind="line")
        for title, values in zip((_("95 %"), _("99 %")), quantiles, strict=True)
        if any(values)
    ]
    average = charts.Series(_("Average"), _each(slots, "total_time_ns"), Unit.NANOSECONDS, kind="line")
    return [
        ("calls", _("Calls"), [charts.Series(_("Calls"), calls, Unit.COUNT)]),
        ("time", _("Total time"), [charts.Series(_("Total time"), times, Unit.NANOSECONDS)]),
        ("latency", _("Time of one execution"), [average, *percentiles]),
        ("rows", _("Rows of one execution"), [charts.Series(_("Rows"), _each(slots, "rows"), Unit.DECIMAL)]),
    ]


def _where_counted(slots: Sequence[Totals]) -> list[Drawn]:
    """Return what only some engines count, where they counted any."""
    return [
        (name, title, [charts.Series(title, _each(slots, name), unit)])
        for name, title, unit in (
            ("rows_examined", _("Rows examined by one execution"), Unit.DECIMAL),
            ("shared_blks_read", _("Blocks read by one execution"), Unit.DECIMAL),
            ("lock_time_ns", _("Lock time of one execution"), Unit.NANOSECONDS),
        )
        if any(slot[name] for slot in slots)
    ]


def _each(slots: Sequence[Totals], name: str) -> list[float | None]:
    """Return what one execution had on average; None where there was none, or nothing is counted."""
    found: list[float | None] = []
    for slot in slots:
        calls, total = slot["calls"], slot[name]
        found.append(total / calls if calls and total is not None else None)
    return found


def _marks(shown: TimeRange, principal: Principal, databases: Collection[int]) -> list[charts.Mark]:
    """Return the latest status changes of the collectors of these databases, as far as the person may see collectors."""
    changes = (
        visible_to(StatusChange.objects.all(), principal)
        .filter(collector__database_id__in=databases, changed_at__gte=shown.since, changed_at__lt=shown.until)
        .select_related("collector")
        .order_by("-changed_at")
    )
    return [charts.Mark(change.changed_at, _said(change), _tone(change.new_status)) for change in changes[:_MARKS]]


def _said(change: StatusChange) -> str:
    return f"{change.collector.name}: {change} ({change.get_cause_display()})"


def _tone(status: str) -> str:
    return _TONES.get(Status(status), "plain")
