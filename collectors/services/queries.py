"""What statements cost over a period. Reading only; callers pass querysets that are already scoped."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final, TypeVar

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    FloatField,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Col
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from collectors.domain import limits, periods
from collectors.domain.sources import Source
from collectors.models import (
    ControlPlane,
    Cost,
    DatabaseCost,
    DirtyDay,
    DirtyHour,
    DirtyWeek,
    Fingerprint,
    Gap,
    Latency,
    MonitoredDatabase,
    Statement,
)
from collectors.models.buckets import Resolution
from collectors.models.completeness import GapKind
from collectors.services import retention

Row = TypeVar("Row", Cost, DatabaseCost, Latency)
Counted = TypeVar("Counted", Cost, DatabaseCost)

# What follows any ordering of the rows below, so that equal ones keep their places between pages.
TIES = ("database_id", "statement__fingerprint", "statement_apart")


# What is told of a statement's executions beside their sums: the share of them that took no longer.
PERCENTILES: Final = {"p50_time_ns": 0.5, "p95_time_ns": 0.95, "p99_time_ns": 0.99}

_RESOLUTIONS: Final = {
    periods.BUCKET: Resolution.BUCKET,
    periods.HOUR: Resolution.HOUR,
    periods.DAY: Resolution.DAY,
    periods.WEEK: Resolution.WEEK,
}


_MARKS: Final[dict[timedelta, Any]] = {periods.HOUR: DirtyHour, periods.DAY: DirtyDay, periods.WEEK: DirtyWeek}


class _OfStatement(F):
    """The id of a row's statement, read from the statement: so the planner knows how few groups there are, and shares the work."""

    def __init__(self) -> None:
        super().__init__("statement__source")

    def resolve_expression(self, *args: Any, **named: Any) -> Any:
        """Return the key of the table that another column of it is read from."""
        column: Any = super().resolve_expression(*args, **named)
        return Col(column.alias, Statement._meta.pk)


def apart() -> Case:
    """Return what tells rows of one fingerprint apart: statements of unknown text must not melt into one row."""
    return Case(When(statement__fingerprint=None, then=_OfStatement()), default=0, output_field=BigIntegerField())


def text_key() -> Coalesce:
    """Return what statements are grouped by: the key of their text; while it is not here, their own id with a minus.

    One number: of very many rows that is grouped noticeably quicker than two. `of_text_key` takes it apart.
    """
    return Coalesce(F("statement__fingerprint_id"), _OfStatement() * -1, output_field=BigIntegerField())


def of_text_key(key: int) -> tuple[int | None, int]:
    """Return the key of the text and 0, or None and the id of the statement whose text is not here."""
    return (key, 0) if key > 0 else (None, -key)


class _LookedUp(Subquery):
    """Something that follows from what rows are grouped by, and so is no reason to tell them apart."""

    def get_group_by_cols(self) -> list[Any]:
        """Return nothing to group by: a text in every row that is summed up would cost more than all the rest."""
        return []


def top_fingerprints(*, costs: QuerySet[Cost], since: datetime, until: datetime) -> QuerySet[Cost, Any]:
    """Return one row per fingerprint and database, dearest first.

    Members: `fingerprint_id` and `fingerprint` (None while the text is not here; such statements stay apart by their id in
    `statement_apart`, which is 0 otherwise), `database_id`, `database_name`, `source`, `sum_calls`, `sum_time_ns`.
    """
    period = counted_in(costs, since=since, until=until)
    text = Fingerprint.objects.filter(pk=OuterRef("statement__fingerprint"))
    return (
        period.annotate(statement_apart=apart())
        .values("statement_apart", "database_id", "statement__fingerprint", source=F("statement__source"))
        .annotate(
            sum_calls=Sum("calls"),
            sum_time_ns=Sum("total_time_ns"),
            # Looked up for the rows that are shown, after they were summed up and ordered by numbers alone.
            fingerprint_id=_LookedUp(text.values("fingerprint_id")),
            fingerprint=_LookedUp(text.values("text")),
            database_name=_LookedUp(MonitoredDatabase.objects.filter(pk=OuterRef("database_id")).values("name")),
        )
        .order_by("-sum_time_ns", *TIES)
    )


def counted_in(
    rows: QuerySet[Counted], *, since: datetime, until: datetime, widest: timedelta = periods.WEEK
) -> QuerySet[Counted]:
    """Return the rows of `in_period` that are kept and make up totals, each call once."""
    spans = spans_of(since=since, until=until, widest=widest)
    condition = condition_of(spans)
    if condition is None:
        return rows.none()
    return counted_once(retention.kept(rows, since=since).filter(condition), since=first_bucket(spans))


def in_period(
    rows: QuerySet[Row], *, since: datetime, until: datetime, widest: timedelta = periods.WEEK
) -> QuerySet[Row]:
    """Return the rows of Cost, DatabaseCost or Latency that together make up a period, every bucket that begins in it once.

    What is older than the finer slots are kept is widened to whole hours, then to whole days. No slot is wider than `widest`
    where finer ones are still there.
    """
    if rows.model is Latency:
        widest = min(widest, periods.DAY)
    condition = condition_of(spans_of(since=since, until=until, widest=widest))
    return rows.none() if condition is None else rows.filter(condition)


def spans_of(*, since: datetime, until: datetime, widest: timedelta = periods.WEEK) -> list[periods.Span]:
    """Return the spans that `in_period` reads, oldest first."""
    now = timezone.now()
    since, until = max(since, retention.start_of(limits.MAX_RETENTION_DAYS, now)), min(until, now + periods.DAY)
    for days, width in ((limits.BUCKET_RETENTION_DAYS, periods.HOUR), (limits.HOUR_RETENTION_DAYS, periods.DAY)):
        gone = retention.start_of(days, now)
        if since < gone:
            since, widest = periods.floor(since, width), max(widest, width)
        until = periods.ceil(until, width) if until < gone else until
    unfinished = _marked()
    if widest >= periods.WEEK:
        # A week that is kept in part is read in days.
        unfinished[periods.WEEK] |= retention.starts(now)
    return periods.spans(since, until, unfinished=unfinished, widest=widest)


def first_bucket(spans: Iterable[periods.Span]) -> datetime | None:
    """Return where the first span begins that is read in buckets; None where none is."""
    return min((span.since for span in spans if span.width == periods.BUCKET), default=None)


def condition_of(spans: Iterable[periods.Span]) -> Q | None:
    """Return the condition of the rows that these spans are read from; None where there are none."""
    chosen = [
        Q(resolution=_RESOLUTIONS[span.width], started_at__gte=span.since, started_at__lt=span.until) for span in spans
    ]
    return reduce(or_, chosen) if chosen else None


def of_databases(*, costs: QuerySet[Cost], totals: QuerySet[DatabaseCost], since: datetime) -> QuerySet[Any]:
    """Return the rows to add up whole databases from: their totals, if every slot from `since` on is in them."""
    begin = ControlPlane.objects.values_list("totals_since", flat=True).first()
    return totals if begin is None or begin <= since else costs


def counted_once(costs: QuerySet[Counted], *, since: datetime | None) -> QuerySet[Counted]:
    """Return the rows that make up totals: a call is in one source of its database only.

    `since` is where the first bucket among them begins, None where there is none.

    From the first snapshot of performance_schema on, which holds every statement, the slow log's executions are in it
    too: their buckets stay stored and do not count. The slow log goes on giving the single executions.
    """
    begun = MonitoredDatabase.objects.order_by("-digests_since").filter(digests_since__isnull=False)
    latest = begun.values_list("digests_since", flat=True).first() if since is not None else None
    # Where nothing is read twice there is nothing to ask of millions of rows.
    if since is None or latest is None:
        return costs
    twice = Statement.objects.order_by().filter(source=Source.SLOW_LOG, database__digests_since__isnull=False)
    # What was rolled up is counted once already (`services.rollups`): that many rows are not asked again. Few statements are in
    # both sources, and only of their buckets is anything else asked: no row has to be joined.
    counts = ~Q(resolution=Resolution.BUCKET) | ~Q(statement_id__in=twice.values("pk"))
    if latest > since:
        before = MonitoredDatabase.objects.filter(pk=OuterRef("database_id"), digests_since__gt=OuterRef("started_at"))
        counts |= Q(Exists(before))
    return costs.filter(counts)


def gaps_between(*, gaps: QuerySet[Gap], since: datetime | None, until: datetime | None) -> QuerySet[Gap]:
    """Return what is known to be missing from the numbers of a period, newest first; None leaves that side open."""
    if since is not None:
        gaps = gaps.filter(covered_to__gte=since)
    if until is not None:
        gaps = gaps.filter(covered_from__lte=until)
    return gaps.order_by("-covered_to", "-pk")


@dataclass(frozen=True, slots=True)
class GapLine:
    """One line of what is known to be missing: a gap, or `gaps` of one kind together.

    `amount` is None where one of them cannot say how much it hides; `database_id` and `database_name` are None where they
    lie on several databases.
    """

    database_id: int | None
    database_name: str | None
    source: str
    kind: str
    amount: int | None
    covered_from: datetime
    covered_to: datetime
    detail: str
    gaps: int = 1

    @property
    def description(self) -> str:
        """Return in words what the kind means."""
        return str(GapKind(self.kind).label)


def gap_lines(gaps: QuerySet[Gap], *, most: int) -> list[GapLine]:
    """Return the newest `most` gaps one by one, and the older ones together by source and kind: none goes untold."""
    newest = list(gaps.select_related("database")[: most + 1])
    lines = [_line(gap) for gap in newest[:most]]
    return lines + _older(gaps, shown=newest[:most]) if len(newest) > most else lines


def _line(gap: Gap) -> GapLine:
    return GapLine(
        database_id=gap.database_id,
        database_name=gap.database.name,
        source=gap.source,
        kind=gap.kind,
        amount=gap.amount,
        covered_from=gap.covered_from,
        covered_to=gap.covered_to,
        detail=gap.detail,
    )


def gaps_by_database(gaps: QuerySet[Gap], database_ids: Collection[int]) -> dict[int, list[GapLine]]:
    """Return what is missing of each of these databases, one line for each source and kind, the latest first."""
    found: dict[int, list[GapLine]] = {}
    for line in _together(gaps.filter(database_id__in=database_ids), apart=("database_id",)):
        if line.database_id is not None:
            found.setdefault(line.database_id, []).append(line)
    return found


def _older(gaps: QuerySet[Gap], *, shown: list[Gap]) -> list[GapLine]:
    return _together(gaps.exclude(pk__in=[gap.pk for gap in shown]))


def _together(gaps: QuerySet[Gap], *, apart: tuple[str, ...] = ()) -> list[GapLine]:
    together = list(
        gaps.order_by()
        .values(*apart, "source", "kind")
        .annotate(
            count=Count("pk"),
            sized=Count("amount"),
            # Amounts are what agents say: whole numbers of theirs could be too large to be added up.
            size=Sum(Cast("amount", FloatField())),
            begin=Min("covered_from"),
            end=Max("covered_to"),
            one_database=Min("database_id"),
            # Different ones would have to be put in order to be counted.
            last_database=Max("database_id"),
        )
        .order_by("-end", "source", "kind")
    )
    for row in together:
        row["is_alone"] = row["one_database"] == row["last_database"]
    alone = {row["one_database"] for row in together if row["is_alone"]}
    names = dict(MonitoredDatabase.objects.filter(pk__in=alone).values_list("pk", "name")) if alone else {}
    return [
        GapLine(
            database_id=row["one_database"] if row["is_alone"] else None,
            database_name=names.get(row["one_database"]) if row["is_alone"] else None,
            source=row["source"],
            kind=row["kind"],
            amount=int(row["size"]) if row["sized"] == row["count"] else None,
            covered_from=row["begin"],
            covered_to=row["end"],
            detail="" if row["is_alone"] else _("on several databases"),
            gaps=row["count"],
        )
        for row in together
    ]


def _marked() -> dict[timedelta, set[datetime]]:
    """Return the slots of any database that are still to be rolled up, by their width: few, and all are read from what they are
    made of.
    """
    found: dict[timedelta, set[datetime]] = {width: set() for width in _MARKS}
    hours, *coarser = (
        marks.objects.order_by().values_list(Value(width // periods.HOUR, IntegerField()), "started_at")
        for width, marks in _MARKS.items()
    )
    # A union: each slot once, however many databases it is marked for.
    for width, start in hours.union(*coarser):
        found[width * periods.HOUR].add(start)
    return found
