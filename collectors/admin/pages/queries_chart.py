"""The load over time above the table of queries."""

from collections.abc import Sequence
from typing import Any, Final

from django.utils.translation import gettext as _

from collectors.admin import charts
from collectors.admin.display import Unit
from collectors.admin.pages import queries_table
from collectors.admin.pages.queries_choices import Choices
from collectors.domain import metrics
from collectors.services import query_details
from collectors.services.top_queries import Page, Question

_APART: Final = 5
_LEGEND: Final = 48


def load_chart(
    choices: Choices,
    question: Question,
    page: Page,
    named: queries_table.Names,
    load: query_details.Load,
    gaps: Sequence[charts.Stretch],
) -> charts.Chart:
    """Return the chart: the dearest rows apart where they are the ones that are shown, the rest together, and the calls."""
    lines = [
        *_bars(choices, page, named, load),
        charts.Series(_("Calls"), load.calls, Unit.COUNT, kind="line"),
        *_earlier(question, load),
    ]
    return charts.Chart(
        name="load",
        title=_("Load over time"),
        starts=load.starts,
        width=load.width,
        series=lines,
        gaps=gaps,
    )


def _bars(choices: Choices, page: Page, named: queries_table.Names, load: query_details.Load) -> list[charts.Series]:
    dearest_first = choices.order in {metrics.DEFAULT_ORDER, "load", "share"} and choices.descending
    apart = page.rows[:_APART] if dearest_first and choices.page == 1 and not choices.grouping.from_slow_queries else []
    if len(page.rows) <= 1:
        apart = []
    found: list[charts.Series] = []
    rest: list[Any] = list(load.time)
    for row in apart:
        values = load.rows[row.identity]
        rest = [max(0, (all_of or 0) - (own or 0)) for all_of, own in zip(rest, values, strict=True)]
        found.append(
            charts.Series(_short(queries_table.plain_title(choices.grouping, row, named)), values, Unit.NANOSECONDS)
        )
    return [*found, charts.Series(_("All others") if found else _("Time in statements"), rest, Unit.NANOSECONDS)]


def _short(text: str) -> str:
    if not text:
        return _("text not here yet")
    return text if len(text) <= _LEGEND else f"{text[: _LEGEND - 1]}…"


def _earlier(question: Question, load: query_details.Load) -> list[charts.Series]:
    """Return the time of the earlier period, laid over this one."""
    if question.earlier is None:
        return []
    values = load.earlier_time[: len(load.starts)]
    values += [None] * (len(load.starts) - len(values))
    return [charts.Series(_("Time in the earlier period"), values, Unit.NANOSECONDS, kind="line")]
