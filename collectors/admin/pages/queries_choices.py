"""What the page of queries is asked for: read from its address, and offered in its controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from collectors.access import Principal, visible_to
from collectors.admin import time_range
from collectors.admin.metric_titles import TITLES
from collectors.domain import comparisons, groupings, limits, metrics
from collectors.domain.comparisons import Change, Earlier
from collectors.domain.groupings import Grouping
from collectors.domain.metrics import METRICS, Metric
from collectors.domain.sources import Engine, Source
from collectors.domain.time_ranges import TimeRange
from collectors.models import Cost, FingerprintTag, MonitoredDatabase, SlowQuery, Statement, Team
from collectors.services import query_details, top_queries
from collectors.services.query_narrowing import MOST_CHARACTERS, Narrowing

GROUPINGS: Final[dict[Grouping, tuple[Promise, Promise]]] = {
    Grouping.FINGERPRINT: (_("Fingerprint"), _("Statement")),
    Grouping.FINGERPRINT_DATABASE: (_("Fingerprint on each database"), _("Statement")),
    Grouping.DATABASE: (_("Database"), _("Database")),
    Grouping.SCHEMA: (_("Schema"), _("Schema")),
    Grouping.USER: (_("User of the database"), _("User of the database")),
    Grouping.HOST: (_("Host"), _("Host")),
    Grouping.TEAM: (_("Team"), _("Team")),
}
COMPARISONS: Final[dict[Earlier, Promise]] = {
    Earlier.PREVIOUS: _("The period before"),
    Earlier.DAY: _("The same time yesterday"),
    Earlier.WEEK: _("The same time last week"),
}
CHANGES: Final[dict[Change, Promise]] = {
    Change.NEW: _("New"),
    Change.WORSE: _("Worse"),
    Change.BETTER: _("Better"),
    Change.GONE: _("Gone"),
    Change.SAME: _("Same"),
}
# A select of more would be no choice; a text finds the others.
_MOST_OFFERED: Final = 100
_MAX_ID_DIGITS: Final = 18
_MAX_NAME: Final = 200


@dataclass(frozen=True)
class Choices:
    """What was chosen. Rows of other tenants, and what cannot be read, are as if nothing was."""

    shown: TimeRange
    grouping: Grouping
    metrics: Sequence[Metric]
    order: str
    descending: bool
    narrowing: Narrowing
    compared: str
    earlier: TimeRange | None
    change: Change | None
    page: int

    @property
    def offset(self) -> int:
        """How many rows lie before the page."""
        return (self.page - 1) * limits.QUERY_PAGE_SIZE

    def question(self, principal: Principal) -> top_queries.Question:
        """Return what is asked of the rows that somebody may see."""
        order = METRICS.get(self.order)
        return top_queries.Question(
            costs=visible_to(Cost.objects.all(), principal),
            slow_queries=visible_to(SlowQuery.objects.all(), principal),
            shown=self.shown,
            grouping=self.grouping,
            metrics=[*self.metrics, *([order] if order else [])],
            narrowing=self.narrowing,
            earlier=self.earlier,
        )


def of(request: HttpRequest, principal: Principal) -> Choices:
    """Return what a request asks for."""
    asked, shown = request.GET, time_range.of(request)
    earlier = comparisons.earlier(shown, asked.get("compare", ""))
    order, descending = _order(asked.get("order", ""), compared=earlier is not None)
    change = asked.get("change", "")
    return Choices(
        shown=shown,
        grouping=groupings.grouping(asked.get("group", "")),
        metrics=metrics.chosen(asked.getlist("column")),
        order=order,
        descending=descending,
        narrowing=_narrowing(request, principal),
        compared=asked.get("compare", "") if earlier else "",
        earlier=earlier,
        change=Change(change) if earlier and change in set(Change) else None,
        page=_page(asked.get("page", "")),
    )


def address(request: HttpRequest, **changes: Any) -> str:
    """Return the request's address with other parameters: None takes one away. The list begins anew unless a page is named."""
    others = request.GET.copy()
    for name, value in {"page": None, **changes}.items():
        others.pop(name, None)
        if value is not None:
            others[name] = str(value)
    return f"?{others.urlencode()}"


def address_of_query(choices: Choices, pk: int) -> str:
    """Return the address of one statement's page, for the same period."""
    return f"{reverse('admin:query', args=[pk])}?{urlencode(time_range.parameters(choices.shown))}"


def address_of_list(choices: Choices) -> str:
    """Return the address of the list, for the same period."""
    return f"{reverse('admin:queries')}?{urlencode(time_range.parameters(choices.shown))}"


def _order(text: str, *, compared: bool) -> tuple[str, bool]:
    name = text.removeprefix("-")
    known = (name in METRICS and METRICS[name].sortable) or (compared and name == top_queries.CHANGE)
    return (name, text.startswith("-")) if known else (metrics.DEFAULT_ORDER, True)


def _narrowing(request: HttpRequest, principal: Principal) -> Narrowing:
    asked = request.GET
    return Narrowing(
        team_id=_visible(asked.get("team", ""), visible_to(Team.objects.all(), principal)),
        database_id=_visible(asked.get("database", ""), visible_to(MonitoredDatabase.objects.all(), principal)),
        engine=asked.get("type", "") if asked.get("type") in set(Engine) else "",
        source=asked.get("source", "") if asked.get("source") in set(Source) else "",
        schema=_text(asked.get("schema", ""), _MAX_NAME) or None,
        user=_text(asked.get("user", ""), _MAX_NAME) or None,
        tag=_text(asked.get("tag", ""), limits.MAX_TAG_CHARACTERS).lower(),
        search=_text(asked.get("q", ""), MOST_CHARACTERS),
    )


def _text(text: str, most: int) -> str:
    """Return a text that a database can compare with: without NUL and halves of characters, and not too long."""
    whole = text.replace("\0", "").encode("utf-8", "ignore").decode()
    return whole.strip()[:most]


def number(text: str) -> int | None:
    """Return the id that a text names; None where it names none that there could be."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS else None


def _visible(text: str, rows: QuerySet[Any]) -> int | None:
    pk = number(text)
    return pk if pk is not None and rows.filter(pk=pk).exists() else None


def _page(text: str) -> int:
    wanted = number(text) or 1
    return wanted if 1 <= wanted <= limits.MAX_PAGE_OFFSET // limits.QUERY_PAGE_SIZE else 1


@dataclass(frozen=True)
class Option:
    """One thing to choose in a select."""

    value: str
    title: Any
    chosen: bool


@dataclass(frozen=True)
class Select:
    """One select of the form."""

    name: str
    title: Any
    options: list[Option]
    note: Any = ""


@dataclass(frozen=True)
class Input:
    """One text of the form, with what is offered while it is typed."""

    name: str
    title: Any
    value: str
    offered: list[str]


@dataclass(frozen=True)
class Column:
    """One metric in the chooser of columns."""

    name: str
    title: Any
    explanation: Any
    chosen: bool


@dataclass(frozen=True)
class Controls:
    """What the template draws: selects, texts, and the chooser of columns."""

    grouping: Select
    comparing: Select
    ordering: Select
    filters: list[Select]
    texts: list[Input]
    columns: list[Column]
    search: str
    narrowed: bool
    kept: list[tuple[str, str]]


def controls(choices: Choices, principal: Principal) -> Controls:
    """Return the controls for what was chosen; they offer what the person may see."""
    narrowing = choices.narrowing
    return Controls(
        grouping=_select("group", _("Group by"), ((item, GROUPINGS[item][0]) for item in Grouping), choices.grouping),
        comparing=_comparing(choices),
        ordering=_ordering(choices),
        filters=[
            *_rows(choices, principal),
            _select("type", _("Engine"), [("", _("All")), *((item, item) for item in Engine)], narrowing.engine),
            _select("source", _("Source"), [("", _("All")), *((item, item) for item in Source)], narrowing.source),
        ],
        texts=_texts(choices, principal),
        columns=[Column(name, *TITLES[name], chosen=metric in choices.metrics) for name, metric in METRICS.items()],
        search=narrowing.search,
        narrowed=narrowing != Narrowing(),
        kept=[("change", choices.change)] if choices.change else [],
    )


def _comparing(choices: Choices) -> Select:
    options = [("", _("Nothing")), *((item, COMPARISONS[item]) for item in comparisons.offered(choices.shown))]
    return _select("compare", _("Compare with"), options, choices.compared)


def _ordering(choices: Choices) -> Select:
    """Return the orders of the shown columns: the only way to choose one where a table has no head, on a phone."""
    names = [metric.name for metric in choices.metrics if metric.sortable]
    if choices.order not in {*names, top_queries.CHANGE}:
        names.append(choices.order)
    options: list[tuple[str, Any]] = []
    for name in [*names, *([top_queries.CHANGE] if choices.earlier else [])]:
        title = pgettext("against an earlier period", "Change") if name == top_queries.CHANGE else TITLES[name][0]
        options += [(f"-{name}", f"{title} ↓"), (name, f"{title} ↑")]
    return _select("order", _("Order by"), options, f"{'-' if choices.descending else ''}{choices.order}")


def _rows(choices: Choices, principal: Principal) -> list[Select]:
    narrowing = choices.narrowing
    teams = visible_to(Team.objects.all(), principal)
    databases = visible_to(MonitoredDatabase.objects.all(), principal)
    if narrowing.team_id is not None:
        databases = databases.filter(team_id=narrowing.team_id)
    return [
        _of_rows("team", _("Team"), teams.order_by("name", "pk"), narrowing.team_id),
        _of_rows("database", _("Database"), databases.order_by("name", "pk"), narrowing.database_id),
    ]


def _of_rows(name: str, title: Any, rows: QuerySet[Any], chosen: int | None) -> Select:
    found: list[Model] = list(rows[: _MOST_OFFERED + 1])
    more = len(found) > _MOST_OFFERED
    found = found[:_MOST_OFFERED]
    if chosen is not None and chosen not in {row.pk for row in found}:
        found += list(rows.model._default_manager.filter(pk=chosen))
    options = [("", _("All")), *((str(row.pk), str(row)) for row in found)]
    note = _("The first of many by name: group by it to find others.") if more else ""
    return Select(name, title, _options(options, "" if chosen is None else str(chosen)), note)


def _texts(choices: Choices, principal: Principal) -> list[Input]:
    statements = visible_to(Statement.objects.all(), principal)
    databases = None
    if choices.narrowing.of_databases:
        visible = visible_to(MonitoredDatabase.objects.all(), principal)
        databases = query_details.narrowed_databases(visible, choices.narrowing)
    tags = visible_to(FingerprintTag.objects.all(), principal)

    def offered(name: str) -> list[str]:
        return query_details.choices(statements, databases, name, most=_MOST_OFFERED)

    return [
        Input("schema", _("Schema"), choices.narrowing.schema or "", offered("schema_name")),
        Input("user", _("User of the database"), choices.narrowing.user or "", offered("user_name")),
        Input("tag", _("Tag"), choices.narrowing.tag, query_details.tags(tags, most=_MOST_OFFERED)),
    ]


def _select(name: str, title: Any, options: Iterable[tuple[str, Any]], chosen: str) -> Select:
    return Select(name, title, _options(options, chosen))


def _options(options: Iterable[tuple[str, Any]], chosen: str) -> list[Option]:
    return [Option(str(value), title, str(value) == str(chosen)) for value, title in options]
