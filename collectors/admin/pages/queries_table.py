"""The table of queries: rows of numbers with what is told beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from collectors.access import Principal, visible_to
from collectors.admin.display import NOTHING, Unit, in_unit, number, statement_text
from collectors.admin.metric_titles import TITLES
from collectors.admin.pages.queries_choices import CHANGES, GROUPINGS, Choices, address, address_of_query
from collectors.domain import limits
from collectors.domain.comparisons import Change
from collectors.domain.groupings import Grouping
from collectors.domain.metrics import TIME, Kind, Metric, Sums
from collectors.models import Fingerprint, FingerprintTag, Gap, Latency, MonitoredDatabase, Statement
from collectors.services import query_details, top_queries
from collectors.services.queries import GapLine
from collectors.services.top_queries import Page, Question, Row

_NAMED: Final = 2
# Beside a row: all of them are on the page of completeness, and those of the period above the chart.
_GAPS_TOLD: Final = 5
# From so many percent on, how many times as much it is says more.
_TIMES_FROM: Final = 1_000
# The sign beside the word; which colour it has says the same.
_SIGNS: Final = {Change.NEW: "✚", Change.WORSE: "▲", Change.BETTER: "▼", Change.GONE: "✕", Change.SAME: "="}


@dataclass(frozen=True)
class Head:
    """The head of a column; `sorted` is what aria-sort says, `address` where a click leads, both empty without an order."""

    title: Any
    explanation: Any
    address: str = ""
    sorted: str = ""


@dataclass(frozen=True)
class Cell:
    """One number, and what it was in the earlier period: `difference` in percent, `before` in words."""

    title: Any
    text: str
    difference: str = ""
    before: str = ""


@dataclass(frozen=True)
class Line:
    """One row as it is drawn."""

    title: Any
    detail: list[str]
    tags: list[str]
    link: str
    cells: list[Cell]
    share: float
    spark: Sequence[float | None]
    spark_label: str
    gaps: list[str]
    change: str
    change_sign: str
    change_title: Any


@dataclass(frozen=True)
class Names:
    """What the rows of a page are called and where they ran."""

    fingerprints: Mapping[int, Fingerprint]
    teams: Mapping[int, Any]
    databases: Mapping[int, MonitoredDatabase]
    places: Mapping[tuple[Any, ...], set[int]]
    gaps: Mapping[int, list[GapLine]]
    percentiles: Mapping[tuple[Any, ...], Mapping[str, int]]
    tags: Mapping[int, list[str]] = field(default_factory=dict)


def names(question: Question, rows: Sequence[Row], principal: Principal, *, gaps: bool = True) -> Names:
    """Return what is told of these rows beside their numbers."""
    databases = visible_to(MonitoredDatabase.objects.all(), principal)
    statements = visible_to(Statement.objects.all(), principal)
    places = query_details.places(question, rows, databases=databases, statements=statements)
    everywhere = {pk for found in places.values() for pk in found}
    percentiles: Mapping[tuple[Any, ...], Mapping[str, int]] = {}
    if any(metric.kind is Kind.PERCENTILE for metric in question.metrics):
        percentiles = query_details.percentiles(question, rows, visible_to(Latency.objects.all(), principal))
    return Names(
        fingerprints=query_details.fingerprints_of(rows) if question.grouping.of_statements else {},
        teams=query_details.teams_of(rows) if question.grouping is Grouping.TEAM else {},
        databases=databases.only("name").in_bulk(everywhere),
        places=places,
        gaps=query_details.gaps(question, visible_to(Gap.objects.all(), principal), everywhere) if gaps else {},
        percentiles=percentiles,
        tags=query_details.tags_of(rows, visible_to(FingerprintTag.objects.all(), principal))
        if question.grouping.of_statements
        else {},
    )


def heads(request: HttpRequest, choices: Choices) -> list[Head]:
    """Return the heads of the columns of numbers: a click puts the greatest first, one more the least."""
    found = [_head(request, choices, metric.name, *TITLES[metric.name], metric.sortable) for metric in choices.metrics]
    if choices.earlier is None:
        return found
    change = _head(
        request,
        choices,
        top_queries.CHANGE,
        pgettext("against an earlier period", "Change"),
        _("By how much total time changed"),
        sortable=True,
    )
    return [change, *found]


def _head(
    request: HttpRequest,
    choices: Choices,
    name: str,
    title: Any,
    explanation: Any,
    sortable: bool,  # noqa: FBT001
) -> Head:
    if not sortable:
        return Head(title, explanation)
    chosen = choices.order == name
    sign = "" if chosen and choices.descending else "-"
    direction = ("descending" if choices.descending else "ascending") if chosen else "none"
    return Head(title, explanation, address(request, order=f"{sign}{name}"), direction)


def lines(
    request: HttpRequest, choices: Choices, page: Page, whole: Sums, named: Names, load: query_details.Load
) -> list[Line]:
    """Return the rows as they are drawn."""
    return [_line(request, choices, row, page, whole, named, load) for row in page.rows]


def _line(
    request: HttpRequest,
    choices: Choices,
    row: Row,
    page: Page,
    whole: Sums,
    named: Names,
    load: query_details.Load,
) -> Line:
    told = named.percentiles.get(row.identity, {})
    cells = [cell(metric, row, choices, whole, page.whole_before, told) for metric in choices.metrics]
    share = 100 * (row.sums[TIME] or 0) / (whole[TIME] or 1)
    spark = load.rows.get(row.identity, [])
    return Line(
        title=title(choices.grouping, row, named),
        detail=_detail(choices.grouping, row, named),
        tags=named.tags.get(row.key, []),
        link=_link(request, choices, row),
        cells=cells,
        share=min(100.0, share),
        spark=spark,
        spark_label=_("Total time, at most %(most)s in a slot")
        % {"most": in_unit(max((value or 0 for value in spark), default=0), Unit.NANOSECONDS)},
        gaps=_gaps(named.places.get(row.identity, set()), named),
        change="" if row.change is None else row.change.value,
        change_sign="" if row.change is None else _SIGNS[row.change],
        change_title="" if row.change is None else CHANGES[row.change],
    )


def cell(
    metric: Metric, row: Row, choices: Choices, whole: Sums, whole_before: Sums, percentiles: Mapping[str, int]
) -> Cell:
    """Return one number of a row, and how it changed."""
    seconds = choices.shown.length.total_seconds()
    if choices.earlier is None or metric.kind is Kind.PERCENTILE:
        return number_of(metric, row.sums, whole, percentiles, seconds=seconds)
    now = metric.value(row.sums, seconds=seconds, whole=whole)
    text = in_unit(now, Unit(metric.unit))
    before = metric.value(row.before, seconds=seconds, whole=whole_before)
    was = in_unit(before, Unit(metric.unit))
    gone = _("was %(before)s") % {"before": was} if now is None and before is not None else ""
    return Cell(TITLES[metric.name][0], text, gone or difference(now, before), was)


def number_of(metric: Metric, sums: Sums, whole: Sums, percentiles: Mapping[str, int], *, seconds: float) -> Cell:
    """Return one number of a row."""
    if metric.kind is Kind.PERCENTILE:
        value: float | None = percentiles.get(f"{metric.name}_ns")
    else:
        value = metric.value(sums, seconds=seconds, whole=whole)
    return Cell(TITLES[metric.name][0], in_unit(value, Unit(metric.unit)))


def difference(now: float | None, before: float | None) -> str:
    """Return by how much a number changed, in percent; nothing where one of them is not known, or was nothing."""
    if now is None or not before:
        return ""
    percent = 100 * (now - before) / before
    if abs(percent) >= _TIMES_FROM:
        return _("%(times)s times") % {"times": number(now / before, 0)}
    return f"{'+' if percent >= 0 else ''}{number(percent, 0)} %"


def title(grouping: Grouping, row: Row, named: Names) -> Any:
    """Return what a row is called."""
    if grouping.of_statements:
        fingerprint = named.fingerprints.get(row.key)
        return statement_text(fingerprint.text if fingerprint else None)
    return plain_title(grouping, row, named)


def plain_title(grouping: Grouping, row: Row, named: Names) -> str:
    """Return what a row is called, as plain text."""
    if grouping.of_statements:
        fingerprint = named.fingerprints.get(row.key)
        return fingerprint.text if fingerprint else ""
    if grouping is Grouping.DATABASE:
        return str(named.databases.get(row.key, NOTHING))
    if grouping is Grouping.TEAM:
        return str(named.teams.get(row.key, NOTHING))
    return str(row.key) or str(_("not known: the source does not tell"))


def _detail(grouping: Grouping, row: Row, named: Names) -> list[str]:
    """Return what stands below a title."""
    where = places(row, named)
    if not grouping.of_statements:
        return [] if grouping is Grouping.DATABASE or not where else [where]
    fingerprint = named.fingerprints.get(row.key)
    return [text for text in (fingerprint.fingerprint_id if fingerprint else "", where, row.source) if text]


def places(row: Row, named: Names) -> str:
    """Return where a row ran: names of few databases, the number of many."""
    found = named.places.get(row.identity, set())
    if len(found) <= _NAMED:
        return ", ".join(sorted(str(named.databases[pk]) for pk in found if pk in named.databases))
    return ngettext("%(count)s database", "%(count)s databases", len(found)) % {"count": number(len(found))}


def _link(request: HttpRequest, choices: Choices, row: Row) -> str:
    """Return where a row leads: to the statement's page, or to the statements that make it up."""
    if choices.grouping.of_statements:
        return address_of_query(choices, row.key) if row.key is not None else ""
    parameter = {
        Grouping.DATABASE: "database",
        Grouping.TEAM: "team",
        Grouping.SCHEMA: "schema",
        Grouping.USER: "user",
    }.get(choices.grouping)
    if parameter is None or row.key == "":
        return ""
    return address(request, group=None, **{parameter: row.key})


def _gaps(places: set[int], named: Names) -> list[str]:
    """Return in words what is known to be missing from a row's numbers; of many gaps, the first and how many more there are."""
    known = [(pk, line) for pk in sorted(places) for line in named.gaps.get(pk, [])]
    told = [_gap(named.databases[pk], line) for pk, line in known[:_GAPS_TOLD]]
    more = len(known) - len(told)
    if more:
        told.append(ngettext("and %(more)s more", "and %(more)s more", more) % {"more": number(more)})
    return told


def _gap(database: Any, line: GapLine) -> str:
    amount = f" ({number(line.amount)})" if line.amount is not None else ""
    return f"{database}, {line.source}: {line.description}{amount}"


def counted(page: Page, choices: Choices) -> str:
    """Return in words which rows are shown, of how many."""
    if not page.count:
        return ""
    first = choices.offset + 1
    return _("%(first)s to %(last)s of %(count)s") % {
        "first": number(first),
        "last": number(choices.offset + len(page.rows)),
        "count": number(page.count),
    }


def pages(request: HttpRequest, page: Page, choices: Choices) -> tuple[str, str]:
    """Return the addresses of the pages before and after this one."""
    before = address(request, page=choices.page - 1) if choices.page > 1 else ""
    more = page.count > choices.offset + len(page.rows)
    within = choices.page < limits.MAX_PAGE_OFFSET // limits.QUERY_PAGE_SIZE
    return before, address(request, page=choices.page + 1) if more and within else ""


def heading(grouping: Grouping) -> Any:
    """Return the head of the first column."""
    return GROUPINGS[grouping][1]
