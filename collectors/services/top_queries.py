"""The load of a period, grouped by anything and told in any metrics. Reading only; callers pass querysets already scoped.

Rows are summed up by numbers alone: texts and names are read afterwards, of the rows that are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.db import OperationalError
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    F,
    FloatField,
    Func,
    IntegerField,
    Max,
    Min,
    OrderBy,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, NullIf
from django.utils.translation import gettext as _

from collectors.domain import comparisons, metrics
from collectors.domain.comparisons import Change
from collectors.domain.groupings import SLOW_QUERY_COLUMNS, Grouping
from collectors.domain.metrics import CALLS, LONGEST, SHORTEST, TIME, Kind, Metric
from collectors.domain.time_ranges import TimeRange
from collectors.models import Cost, SlowQuery
from collectors.services import queries, retention
from collectors.services.errors import Refused
from collectors.services.query_narrowing import Narrowing, narrowed

# What the difference of total time between the two periods is ordered by.
CHANGE: Final = "change"
# The name of `queries.text_key` among a row's values.
TEXT_KEY: Final = "text_key"
_KEYS: Final[Mapping[Grouping, str]] = {
    Grouping.FINGERPRINT: TEXT_KEY,
    Grouping.FINGERPRINT_DATABASE: TEXT_KEY,
    Grouping.DATABASE: "database_id",
    Grouping.SCHEMA: "statement__schema_name",
    Grouping.USER: "statement__user_name",
    Grouping.HOST: "host",
    Grouping.TEAM: "database__team_id",
}
# What no row meets.
_NEVER: Final = Q(started_at__isnull=True)
_EXTREMES: Final = {SHORTEST: (Min, "MIN"), LONGEST: (Max, "MAX")}


@dataclass(frozen=True)
class Periods:
    """The condition of the rows of both periods, and what tells those of one from those of the other.

    `where` is None where no row can meet it; the other two are None where nothing is compared. `first_bucket` is where the
    first span begins that is read in buckets.
    """

    where: Q | None
    this: Q | None
    before: Q | None
    first_bucket: datetime | None = None


@dataclass(frozen=True)
class Question:
    """What is asked: which rows, of what time, by what, in which metrics. `earlier` is the period it is compared with."""

    costs: QuerySet[Cost]
    slow_queries: QuerySet[SlowQuery]
    shown: TimeRange
    grouping: Grouping = Grouping.FINGERPRINT
    metrics: Sequence[Metric] = ()
    narrowing: Narrowing = field(default_factory=Narrowing)
    earlier: TimeRange | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that have to be added up."""
        wanted = metrics.columns_of(self.metrics)
        if self.grouping.from_slow_queries:
            return [name for name in wanted if name == CALLS or name in SLOW_QUERY_COLUMNS]
        return wanted

    @cached_property
    def periods(self) -> Periods:
        """How the periods are read. Decided once: what is rolled up may change at any time."""
        if self.grouping.from_slow_queries:
            return self._slow_periods()
        this = queries.spans_of(since=self.shown.since, until=self.shown.until)
        if self.earlier is None:
            return Periods(queries.condition_of(this), None, None, queries.first_bucket(this))
        before = queries.spans_of(since=self.earlier.since, until=self.earlier.until)
        where, first = queries.condition_of([*before, *this]), queries.first_bucket([*before, *this])
        if this and before and before[-1].until <= this[0].since:
            # One moment parts them: that is asked quicker of millions of rows than all spans.
            return Periods(where, Q(started_at__gte=this[0].since), Q(started_at__lt=this[0].since), first)
        # What is kept by the hour or the day only may be on both sides.
        return Periods(where, queries.condition_of(this) or _NEVER, queries.condition_of(before) or _NEVER, first)

    def _slow_periods(self) -> Periods:
        this = Q(started_at__gte=self.shown.since, started_at__lt=self.shown.until)
        if self.earlier is None:
            return Periods(this, None, None)
        before = Q(started_at__gte=self.earlier.since, started_at__lt=self.earlier.until)
        return Periods(this | before, this, before)

    @property
    def apart(self) -> tuple[str, ...]:
        """The lookups by whose values rows are kept apart."""
        if not self.grouping.of_statements:
            return (_KEYS[self.grouping],)
        place = ("database_id", "statement__source") if self.grouping is Grouping.FINGERPRINT_DATABASE else ()
        return (_KEYS[self.grouping], *place)


@dataclass(frozen=True)
class Row:
    """One group. `key` is what it is grouped by; `apart` the statement whose text is not here yet, else 0.

    `before` holds the sums of the earlier period, empty when nothing is compared or nothing was there.
    """

    key: Any
    apart: int
    database_id: int | None
    source: str
    sums: metrics.Sums
    before: metrics.Sums = field(default_factory=dict)
    change: Change | None = None

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells the row from all others of its page."""
        return (self.key, self.apart, self.database_id, self.source)


@dataclass(frozen=True)
class Page:
    """Some of the rows, with the sums and the number of all of them, and how many became what."""

    rows: list[Row]
    count: int
    whole: metrics.Sums
    whole_before: metrics.Sums
    changes: dict[Change, int]


class _Whole(Func):
    """An aggregate of what each row aggregates, over all rows: told beside every one of them."""

    template = "%(function)s(%(expressions)s) OVER ()"
    output_field = BigIntegerField()


def page(
    question: Question, *, order: str, descending: bool, offset: int, limit: int, change: Change | None = None
) -> Page:
    """Return `limit` rows from `offset` on, in the order of a metric, or of CHANGE; with `change` only those that became so.

    Raises `Refused` where the sums are larger than the database can hold, which only invented numbers are.
    """
    rows = ordered(question, order=order, descending=descending, change=change)
    rows = rows.annotate(**_over_all(question))
    try:
        found = list(rows[offset : offset + limit])
    except OperationalError as error:
        if "integer overflow" not in str(error):
            raise
        raise Refused(_("The numbers of this period are too large to be added up."), code="too_large") from error
    first = found[0] if found else {}
    return Page(
        rows=[row_of(question, row) for row in found],
        count=first.get("all_groups", 0),
        whole={name: first.get(f"all_{name}", 0) for name in question.columns},
        whole_before={name: first.get(f"all_was_{name}", 0) for name in question.columns} if question.earlier else {},
        changes={item: first.get(f"all_{item.value}", 0) for item in Change} if question.earlier else {},
    )


def whole(question: Question) -> metrics.Sums:
    """Return the sums of the period whatever is searched for: what shares are shares of."""
    asked = replace(question, narrowing=question.narrowing.unsearched(), earlier=None)
    sums = {name: _sum(asked, name, None) for name in asked.columns}
    found: metrics.Sums = _base(asked).order_by().aggregate(**{f"all_{name}": total for name, total in sums.items()})
    return {name: found[f"all_{name}"] for name in asked.columns}


def ordered(
    question: Question, *, order: str, descending: bool = True, change: Change | None = None
) -> QuerySet[Any, dict[str, Any]]:
    """Return all rows as `row_of` reads them. Equal ones keep their places between pages."""
    rows = groups(question)
    if change is not None and question.earlier is not None:
        rows = rows.filter(change=change.value)
    place = OrderBy(_ordering(question, order), descending=descending, nulls_last=True)
    ties = [OrderBy(F("sum_" + TIME), descending=True, nulls_last=True)] if order != metrics.DEFAULT_ORDER else []
    return rows.order_by(place, *ties, *question.apart)


def groups(question: Question) -> QuerySet[Any, dict[str, Any]]:
    """Return one row for each group: what it is kept apart by, `sum_…`, and where two periods are compared `was_…`."""
    rows = _base(question)
    if question.grouping.of_statements:
        rows = rows.annotate(**{TEXT_KEY: queries.text_key()})
    periods = question.periods
    summed = {
        f"sum_{name}": _sum(question, name, periods.this if question.earlier else None) for name in question.columns
    }
    grouped: QuerySet[Any, dict[str, Any]] = rows.order_by().values(*question.apart).annotate(**summed)
    if question.earlier is None:
        return grouped
    was = {f"was_{name}": _sum(question, name, periods.before) for name in question.columns}
    compared: QuerySet[Any, dict[str, Any]] = grouped.annotate(**was).annotate(change=_changed(question))
    return compared


def row_of(question: Question, values: Mapping[str, Any]) -> Row:
    """Return a row of `groups` as one."""
    change, key, apart = values.get("change"), values[_KEYS[question.grouping]], 0
    if question.grouping.of_statements:
        key, apart = queries.of_text_key(key)
    return Row(
        key=key,
        apart=apart,
        database_id=values["database_id"] if question.grouping is Grouping.FINGERPRINT_DATABASE else None,
        source=values.get("statement__source", ""),
        sums={name: values[f"sum_{name}"] for name in question.columns},
        before={name: values[f"was_{name}"] for name in question.columns} if question.earlier else {},
        change=None if change is None else Change(change),
    )


def _base(question: Question) -> QuerySet[Any]:
    """Return the rows of both periods."""
    since = question.shown.since if question.earlier is None else question.earlier.since
    rows: QuerySet[Any] = question.slow_queries if question.grouping.from_slow_queries else question.costs
    rows = narrowed(retention.kept(rows, since=since), question.narrowing)
    if not question.grouping.from_slow_queries:
        rows = queries.counted_once(rows, since=question.periods.first_bucket)
    where = question.periods.where
    return rows.none() if where is None else rows.filter(where)


def _sum(question: Question, name: str, within: Q | None) -> Any:
    column = SLOW_QUERY_COLUMNS.get(name, name) if question.grouping.from_slow_queries else name
    if question.grouping.from_slow_queries and name == CALLS:
        # A count of nothing is 0, and what was not there at all must be told from that.
        return NullIf(Count("id", filter=within), 0, output_field=BigIntegerField())
    aggregate = _EXTREMES[name][0] if name in _EXTREMES else Sum
    return aggregate(column, filter=within, output_field=BigIntegerField())


def _over_all(question: Question) -> dict[str, Any]:
    """Return the sums over all rows, how many there are, and how many became what."""
    within = question.periods.this if question.earlier else None
    found: dict[str, Any] = {"all_groups": _Whole(Count("*"), function="COUNT")}
    for name in question.columns:
        function = _EXTREMES[name][1] if name in _EXTREMES else "SUM"
        found[f"all_{name}"] = _Whole(_sum(question, name, within), function=function)
        if question.earlier:
            found[f"all_was_{name}"] = _Whole(_sum(question, name, question.periods.before), function=function)
    if question.earlier:
        for change in Change:
            is_so = Case(When(change=change.value, then=1), default=0, output_field=IntegerField())
            found[f"all_{change.value}"] = _Whole(is_so, function="SUM")
    return found


def _changed(question: Question) -> Case:
    """Return what became of a row: `comparisons.judged`, in SQL."""
    now, was = "sum_" + TIME, "was_" + TIME
    least = comparisons.least(question.shown.length)
    factor = Value(comparisons.FACTOR, output_field=FloatField())
    return Case(
        When(**{f"was_{TIME}": None}, then=Value(Change.NEW.value)),
        When(**{f"sum_{TIME}": None}, then=Value(Change.GONE.value)),
        When(_grown(now, was, factor, least), then=Value(Change.WORSE.value)),
        When(_grown(was, now, factor, least), then=Value(Change.BETTER.value)),
        default=Value(Change.SAME.value),
    )


def _grown(more: str, less: str, factor: Value, least: int) -> Q:
    return Q(**{f"{more}__gte": Cast(F(less), FloatField()) * factor}) & Q(**{f"{more}__gte": F(less) + least})


def _ordering(question: Question, order: str) -> Any:
    if order == CHANGE and question.earlier is not None:
        return Coalesce(F("sum_" + TIME), 0) - Coalesce(F("was_" + TIME), 0)
    metric = metrics.METRICS.get(order)
    if metric is None or not metric.sortable or not set(metric.columns) <= set(question.columns):
        return F("sum_" + TIME)
    top = F(f"sum_{metric.column}")
    if metric.kind is Kind.PER_CALL:
        return _divided(top, F("sum_" + CALLS))
    if metric.kind is Kind.RATIO:
        bottom: Any = F(f"sum_{metric.of[0]}")
        for name in metric.of[1:]:
            bottom = bottom + F(f"sum_{name}")
        return _divided(top, bottom)
    return top


def _divided(top: Any, bottom: Any) -> Any:
    return Cast(top, FloatField()) / NullIf(Cast(bottom, FloatField()), Value(0.0))
