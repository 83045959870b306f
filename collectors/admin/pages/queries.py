"""What costs most: the load of a period by anything and in any metric, with what is known to be missing beside it."""

from dataclasses import replace
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin import charts, signed_in, time_range
from collectors.admin.pages import queries_choices, queries_export, queries_table
from collectors.admin.pages.queries_chart import load_chart
from collectors.admin.pages.queries_choices import CHANGES, COMPARISONS, Choices, address
from collectors.domain import limits
from collectors.domain.comparisons import Change
from collectors.domain.metrics import Sums
from collectors.domain.roles import Permission
from collectors.domain.time_ranges import TimeRange
from collectors.models import DatabaseCost, Gap, MonitoredDatabase
from collectors.services import queries, query_details, top_queries
from collectors.services.errors import Refused
from collectors.services.query_narrowing import narrowed_gaps
from collectors.services.top_queries import Page, Question, Row

# Of a little line, and of the chart above: slots of an hour for a day, which are read from what was rolled up.
_SLOTS: Final = 32
_GAPS_SHOWN: Final = 50


def queries_page(request: HttpRequest) -> HttpResponse:
    """Show the load of the visible databases, or of a part of it."""
    from collectors.admin.site import site

    principal = _reader(request)
    choices = queries_choices.of(request, principal)
    context = {
        **site.each_context(request),
        "title": _("Top queries"),
        "range": time_range.control(request, choices.shown),
        "controls": queries_choices.controls(choices, principal),
        "choices": choices,
        "is_fullwidth": "1",
    }
    try:
        context |= _answer(request, choices, principal)
    except Refused as refusal:
        context["refusal"] = str(refusal)
    return render(request, "admin/dbpower/queries.html", context)


def queries_export_page(request: HttpRequest) -> HttpResponseBase:
    """Return all rows of what the page shows, up to a bound that it names, as CSV or JSON."""
    principal = _reader(request)
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    choices = queries_choices.of(request, principal)
    form = queries_export.FORMS.get(request.GET.get("format", "csv"), queries_export.FORMS["csv"])
    try:
        lines = form.lines(queries_export.export(choices, principal, gaps=gap_lines(choices, choices.shown, principal)))
    except Refused as refusal:
        return HttpResponse(str(refusal), status=422, content_type="text/plain; charset=utf-8")
    disposition = f'attachment; filename="{queries_export.FILE_NAME}.{form.ending}"'
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines, content_type=form.content_type, headers=headers)


def _reader(request: HttpRequest) -> Principal:
    principal = signed_in.principal(request)
    if not principal.holds(Permission.QUERY_VIEW):
        raise PermissionDenied
    return principal


def _answer(request: HttpRequest, choices: Choices, principal: Principal) -> dict[str, Any]:
    question = choices.question(principal)
    choices, page = _page(choices, question)
    every, whole = _every(choices, question, page)
    named = queries_table.names(question, page.rows, principal)
    databases = visible_to(MonitoredDatabase.objects.all(), principal)
    totals = visible_to(DatabaseCost.objects.all(), principal)
    load = query_details.load(question, page.rows, databases=databases, totals=totals, most=_SLOTS)
    gaps = gap_lines(choices, choices.shown, principal)
    before, after = queries_table.pages(request, page, choices)
    return {
        "choices": choices,
        "chart": load_chart(choices, question, page, named, load, charts.stretches(gaps)),
        "heading": queries_table.heading(choices.grouping),
        "heads": queries_table.heads(request, choices),
        "lines": queries_table.lines(request, choices, page, whole, named, load),
        "totals": _totals(choices, every, whole),
        "page": page,
        "counted": queries_table.counted(page, choices),
        "before": before,
        "after": after,
        "changes": _changes(request, choices, every),
        "compared": COMPARISONS.get(choices.compared),  # type: ignore[call-overload]
        "earlier_gaps": _earlier_gaps(choices, principal),
        "gaps": gaps,
        "gap_count": sum(gap.gaps for gap in gaps),
        "exports": [(name.upper(), _export_address(request, name)) for name in queries_export.FORMS],
        "most_exported": queries_export.MOST,
        "unfiltered": address(
            request, **dict.fromkeys(("team", "database", "type", "source", "schema", "user", "tag", "q"))
        ),
    }


def _page(choices: Choices, question: Question) -> tuple[Choices, Page]:
    """Return the rows that are shown; a page behind the last one is the first."""
    page = top_queries.page(
        question,
        order=choices.order,
        descending=choices.descending,
        offset=choices.offset,
        limit=limits.QUERY_PAGE_SIZE,
        change=choices.change,
    )
    return _page(replace(choices, page=1), question) if choices.page > 1 and not page.rows else (choices, page)


def _every(choices: Choices, question: Question, page: Page) -> tuple[Page, Sums]:
    """Return what all rows sum up to whatever became of them, and what shares are shares of."""
    every = page
    if choices.change is not None:
        every = top_queries.page(question, order=choices.order, descending=True, offset=0, limit=1)
    return every, top_queries.whole(question) if choices.narrowing.search else every.whole


def _totals(choices: Choices, every: Page, whole: Sums) -> list[queries_table.Cell]:
    row = Row(None, 0, None, "", every.whole, every.whole_before)
    return [queries_table.cell(metric, row, choices, whole, every.whole_before, {}) for metric in choices.metrics]


def _changes(request: HttpRequest, choices: Choices, every: Page) -> list[tuple[str, int, str, bool]]:
    """Return the choices of what became of rows: title, how many, address, whether it is chosen."""
    if choices.earlier is None:
        return []
    told = [item for item in Change if item is not Change.SAME]
    return [
        (_("All"), every.count, address(request, change=None), choices.change is None),
        *(
            (str(CHANGES[item]), every.changes.get(item, 0), address(request, change=item), choices.change is item)
            for item in told
        ),
    ]


def gap_lines(choices: Choices, shown: TimeRange, principal: Principal) -> list[queries.GapLine]:
    """Return what is known to be missing from the numbers of the chosen databases in that time."""
    gaps = narrowed_gaps(visible_to(Gap.objects.all(), principal), choices.narrowing)
    return queries.gap_lines(queries.gaps_between(gaps=gaps, since=shown.since, until=shown.until), most=_GAPS_SHOWN)


def _earlier_gaps(choices: Choices, principal: Principal) -> int:
    """Return how many gaps the earlier period has."""
    if choices.earlier is None:
        return 0
    gaps = narrowed_gaps(visible_to(Gap.objects.all(), principal), choices.narrowing)
    return queries.gaps_between(gaps=gaps, since=choices.earlier.since, until=choices.earlier.until).count()


def _export_address(request: HttpRequest, name: str) -> str:
    return reverse("admin:queries_export") + address(request, format=name)
