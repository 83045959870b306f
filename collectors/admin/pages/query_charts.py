"""One statement over time: small charts beside each other, with what happened to the collectors of its databases."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin import charts
from collectors.admin.display import Unit
from collectors.domain.liveness import Status
from collectors.domain.time_ranges import TimeRange
from collectors.models import Latency, StatusChange
from collectors.services import query_details, series
from collectors.services.query_narrowing import narrowed
from collectors.services.top_queries import Question

_SLOTS: Final = 48
_MARKS: Final = 60
_SUMS: Final = ("calls", "total_time_ns", "rows", "rows_examined", "shared_blks_read", "lock_time_ns")
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

    def chart(name: str, title: str, lines: list[charts.Series]) -> charts.Chart:
        return charts.Chart(name, title, starts, width, lines, gaps=gaps, marks=marks, stacked=False)

    def total(name: str) -> list[Any]:
        return [slot[name] for slot in slots]

    def each(name: str) -> list[Any]:
        return [None if not (slot["calls"] and slot[name]) else (slot[name] or 0) / slot["calls"] for slot in slots]

    found = [
        chart("calls", _("Calls"), [charts.Series(_("Calls"), total("calls"), Unit.COUNT)]),
        chart("time", _("Total time"), [charts.Series(_("Total time"), total("total_time_ns"), Unit.NANOSECONDS)]),
        chart(
            "latency",
            _("Time of one execution"),
            [
                charts.Series(_("Average"), each("total_time_ns"), Unit.NANOSECONDS, kind="line"),
                *(
                    charts.Series(title, values, Unit.NANOSECONDS, kind="line")
                    for title, values in ((_("95 %"), quantiles[0]), (_("99 %"), quantiles[1]))
                    if any(values)
                ),
            ],
        ),
        chart("rows", _("Rows of one execution"), [charts.Series(_("Rows"), each("rows"), Unit.DECIMAL)]),
    ]
    for name, title in (
        ("rows_examined", _("Rows examined by one execution")),
        ("shared_blks_read", _("Blocks read by one execution")),
        ("lock_time_ns", _("Lock time of one execution")),
    ):
        if any(slot[name] for slot in slots):
            unit = Unit.NANOSECONDS if name.endswith("_ns") else Unit.DECIMAL
            found.append(chart(name, title, [charts.Series(title, each(name), unit)]))
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
