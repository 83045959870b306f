"""What is shown beside the numbers of rows: texts and names, where they ran, their load over time, percentiles, known gaps.

Everything is read for the rows of one page together. Callers pass querysets that are already scoped.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import BigIntegerField, Case, F, Max, Q, QuerySet, Sum, When

from collectors.domain import periods, time_ranges
from collectors.domain.groupings import Grouping
from collectors.domain.metrics import CALLS, TIME
from collectors.domain.sketches import Sketch
from collectors.domain.sources import Source
from collectors.domain.time_ranges import TimeRange
from collectors.models import (
    DatabaseCost,
    Fingerprint,
    FingerprintTag,
    Gap,
    Latency,
    MonitoredDatabase,
    SlowQuery,
    Statement,
    Team,
)
from collectors.services import queries, retention, series
from collectors.services.queries import PERCENTILES, GapLine
from collectors.services.query_narrowing import Narrowing, narrowed, narrowed_gaps
from collectors.services.top_queries import TEXT_KEY, Question, Row

# From so many databases on, longer periods are drawn in wider slots.
_MANY_DATABASES: Final = 100
# Statements of the rows of a page that are looked for one by one; of more, all rows are read.
_MOST_STATEMENTS: Final = 2_000
# Of a page; a statement that runs on more databases is told as running on so many at least.
_MOST_PLACES: Final = 5_000


def narrowed_databases(databases: QuerySet[MonitoredDatabase], narrowing: Narrowing) -> QuerySet[MonitoredDatabase]:
    """Return the databases that were chosen."""
    lookups: dict[str, Any] = {
        "organization_id": narrowing.organization_id,
        "team_id": narrowing.team_id,
        "pk": narrowing.database_id,
        "type": narrowing.engine or None,
    }
    return databases.filter(**{name: value for name, value in lookups.items() if value is not None})


def fingerprints_of(rows: Sequence[Row]) -> Mapping[int, Fingerprint]:
    """Return the fingerprints of rows that are statements."""
    return Fingerprint.objects.in_bulk({row.key for row in rows if row.key is not None})


def teams_of(rows: Sequence[Row]) -> Mapping[int, Team]:
    """Return the teams of rows that are teams."""
    return Team.objects.in_bulk({row.key for row in rows})


def places(
    question: Question, rows: Sequence[Row], *, databases: QuerySet[MonitoredDatabase], statements: QuerySet[Statement]
) -> dict[tuple[Any, ...], set[int]]:
    """Return on which of the chosen databases each row has statements, by `identity`."""
    if question.grouping is Grouping.FINGERPRINT_DATABASE:
        return {row.identity: {int(row.database_id or 0)} for row in rows}
    if question.grouping is Grouping.DATABASE:
        return {row.identity: {row.key} for row in rows}
    chosen = narrowed_databases(databases, question.narrowing)
    found: dict[Any, set[int]] = defaultdict(set)
    for key, database_id in _pairs(question, rows, chosen, statements):
        found[key].add(database_id)
    return {row.identity: found[-row.apart if row.apart else row.key] for row in rows}


def _pairs(
    question: Question, rows: Sequence[Row], databases: QuerySet[MonitoredDatabase], statements: QuerySet[Statement]
) -> list[tuple[Any, int]]:
    """Return pairs of a key and a database; a statement without a text has its id with a minus as key."""
    keys = {row.key for row in rows if row.key is not None}
    chosen = databases.order_by().values("pk")
    pairs: QuerySet[Any, tuple[Any, int]]
    if question.grouping is Grouping.TEAM:
        pairs = databases.filter(team_id__in=keys).order_by().values_list("team_id", "pk")
    elif question.grouping is Grouping.HOST:
        slow = retention.kept(question.slow_queries, since=question.shown.since)
        during = slow.filter(started_at__gte=question.shown.since, started_at__lt=question.shown.until)
        pairs = (
            during.filter(host__in=keys, database__in=chosen).order_by().values_list("host", "database_id").distinct()
        )
    elif question.grouping.of_statements:
        wanted = Q(fingerprint_id__in=keys) | Q(pk__in=[row.apart for row in rows if row.apart], fingerprint=None)
        unknown = Case(
            When(fingerprint=None, then=-F("pk")), default=F("fingerprint_id"), output_field=BigIntegerField()
        )
        theirs = statements.filter(wanted, database__in=chosen).order_by()
        pairs = theirs.values_list(unknown, "database_id").distinct()
    else:
        name = "schema_name" if question.grouping is Grouping.SCHEMA else "user_name"
        theirs = statements.filter(**{f"{name}__in": keys}, database__in=chosen).order_by()
        pairs = theirs.values_list(name, "database_id").distinct()
    return list(pairs[:_MOST_PLACES])


def gaps(question: Question, gaps: QuerySet[Gap], database_ids: Collection[int]) -> dict[int, list[GapLine]]:
    """Return what is known to be missing of each of these databases in the period."""
    during = queries.gaps_between(
        gaps=narrowed_gaps(gaps, question.narrowing), since=question.shown.since, until=question.shown.until
    )
    return queries.gaps_by_database(during, database_ids)


@dataclass(frozen=True)
class Load:
    """Total time and calls in equal slots: of everything that is asked for, and of rows by their `identity`.

    `earlier_time` is that of the period that is compared with, slot by slot from its own beginning; empty where there is none.
    """

    starts: Sequence[datetime]
    width: timedelta
    time: list[int | None]
    calls: list[int | None]
    earlier_time: list[int | None]
    rows: dict[tuple[Any, ...], list[int | None]]


def load(
    question: Question,
    rows: Sequence[Row],
    *,
    databases: QuerySet[MonitoredDatabase],
    totals: QuerySet[DatabaseCost],
    most: int,
) -> Load:
    """Return the load over time in at most `most` slots. The number of queries does not grow with that of rows."""
    since, until = question.shown.since, question.shown.until
    chosen = narrowed_databases(databases, question.narrowing).order_by().values("pk")
    are_many = len(chosen[: _MANY_DATABASES + 1]) > _MANY_DATABASES
    width = question.shown.coarse_slot(most=most) if are_many else question.shown.slot(most=most)
    starts = time_ranges.starts(since, until, width)
    every = _every(question, totals, question.shown, width)
    earlier = _every(question, totals, question.earlier, width) if question.earlier else []
    found = _slow_slots(question, rows, starts, width) if question.grouping.from_slow_queries else {}
    if rows and not question.grouping.from_slow_queries:
        theirs = narrowed(question.costs, question.narrowing).filter(_of(question, rows))
        if question.grouping.of_statements:
            theirs = theirs.annotate(**{TEXT_KEY: queries.text_key()})
        slots = series.by_slot(costs=theirs, since=since, until=until, width=width, sums=(TIME,), apart=question.apart)
        found = {_identity(question, *key): [slot[TIME] for slot in totals] for key, totals in slots.items()}
    return Load(
        starts=starts,
        width=width,
        time=[slot[TIME] for slot in every],
        calls=[slot[CALLS] for slot in every],
        earlier_time=[slot[TIME] for slot in earlier],
        rows={row.identity: found.get(row.identity, [0] * len(starts)) for row in rows},
    )


def _every(
    question: Question, totals: QuerySet[DatabaseCost], shown: TimeRange, width: timedelta
) -> list[series.Totals]:
    """Return calls and time of everything that is asked for, in equal slots: of whole databases where no statements were chosen."""
    rows: QuerySet[Any] = question.costs
    if not question.narrowing.of_statements:
        since = periods.floor(shown.since, width)
        rows = queries.of_databases(costs=question.costs, totals=totals, since=since)
    chosen = narrowed(rows, question.narrowing)
    return series.by_slot(costs=chosen, since=shown.since, until=shown.until, width=width)[()]


def _of(question: Question, rows: Sequence[Row]) -> Q:
    keys = {row.key for row in rows if row.key is not None}
    unknown = [row.apart for row in rows if row.apart]
    if question.grouping.of_statements:
        # Few of very many: found by their ids, they are all that is read.
        theirs = Statement.objects.order_by().filter(fingerprint_id__in=keys).values_list("pk", flat=True)
        ids = list(theirs[: _MOST_STATEMENTS + 1])
        if len(ids) <= _MOST_STATEMENTS:
            return Q(statement_id__in=[*ids, *unknown])
    name = "statement__fingerprint_id" if question.grouping.of_statements else question.apart[0]
    condition = Q(**{f"{name}__in": keys})
    return condition | Q(statement_id__in=unknown) if unknown else condition


def _identity(question: Question, key: Any, database_id: int | None = None, source: str = "") -> tuple[Any, ...]:
    """Return a row's identity from the values that `Question.apart` names."""
    place = queries.of_text_key(key) if question.grouping.of_statements else (key, 0)
    return (*place, database_id, source)


def _slow_slots(
    question: Question, rows: Sequence[Row], starts: Sequence[datetime], width: timedelta
) -> dict[tuple[Any, ...], list[int | None]]:
    slow = narrowed(retention.kept(question.slow_queries, since=starts[0]), question.narrowing)
    slots = (
        slow.filter(started_at__gte=starts[0], started_at__lt=question.shown.until, host__in={row.key for row in rows})
        .order_by()
        .annotate(slot=series.Slot("started_at", int(width.total_seconds())))
        .values_list("host", "slot")
        .annotate(time=Sum("query_time_ns"))
    )
    numbers = {start: number for number, start in enumerate(starts)}
    found: dict[tuple[Any, ...], list[int | None]] = {row.identity: [0] * len(starts) for row in rows}
    for host, start, time in slots:
        found[_identity(question, host)][numbers[start]] = time
    return found


def percentiles(
    question: Question, rows: Sequence[Row], sketches: QuerySet[Latency]
) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return the members of PERCENTILES for those statements whose executions were all timed one by one, in nanoseconds."""
    wanted = {row.key for row in rows if row.key is not None and row.sums[CALLS]}
    if not question.grouping.of_statements or not wanted:
        return {}
    shown = question.shown
    kept = retention.kept(narrowed(sketches, question.narrowing), since=shown.since)
    stored = queries.in_period(kept, since=shown.since, until=shown.until).filter(
        statement__source=Source.SLOW_LOG, statement__fingerprint_id__in=wanted
    )
    apart = question.grouping is Grouping.FINGERPRINT_DATABASE
    merged: dict[tuple[Any, ...], Sketch] = defaultdict(Sketch)
    for key, database_id, content in stored.order_by().values_list(
        "statement__fingerprint_id", "database_id", "sketch"
    ):
        merged[(key, database_id if apart else None)].merge(Sketch.unpacked(bytes(content)))
    found = {}
    for row in rows:
        sketch = merged.get((row.key, row.database_id if apart else None))
        # The slow log's executions are in other sources, too, where those are read: then not all of them were timed.
        if sketch is not None and sketch.count >= (row.sums[CALLS] or 0) > 0 and row.source in {"", Source.SLOW_LOG}:
            found[row.identity] = {name: round(sketch.quantile(share) or 0) for name, share in PERCENTILES.items()}
    return found


def percentiles_over_time(
    question: Question, sketches: QuerySet[Latency], *, width: timedelta
) -> tuple[Sequence[datetime], tuple[list[int | None], list[int | None]]]:
    """Return the beginnings of equal slots, and the times that 95 % and 99 % of the executions in each did not exceed.

    They are None where a slot has no execution that was timed by itself.
    """
    starts = time_ranges.starts(question.shown.since, question.shown.until, width)
    merged: dict[datetime, Sketch] = defaultdict(Sketch)
    stored = queries.in_period(
        retention.kept(narrowed(sketches, question.narrowing), since=starts[0]),
        since=starts[0],
        until=question.shown.until,
        widest=series.read_in(width),
    )
    for started_at, content in stored.order_by().values_list("started_at", "sketch"):
        merged[max(starts[0], periods.floor(started_at, width))].merge(Sketch.unpacked(bytes(content)))

    def quantiles(share: float) -> list[int | None]:
        found = [merged[start].quantile(share) if start in merged else None for start in starts]
        return [None if value is None else round(value) for value in found]

    return starts, (quantiles(0.95), quantiles(0.99))


def last_seen(question: Question) -> datetime | None:
    """Return the beginning of the last slot in which something that was chosen ran, however long ago."""
    found: datetime | None = narrowed(retention.kept(question.costs), question.narrowing).aggregate(
        last=Max("started_at")
    )["last"]
    return found


def tags_of(rows: Sequence[Row], tags: QuerySet[FingerprintTag]) -> dict[int, list[str]]:
    """Return the tags of rows that are statements."""
    found: dict[int, list[str]] = defaultdict(list)
    named = tags.filter(fingerprint_id__in={row.key for row in rows if row.key is not None}).order_by("name")
    for fingerprint_id, name in named.values_list("fingerprint_id", "name"):
        found[fingerprint_id].append(name)
    return found


def tags(tags: QuerySet[FingerprintTag], *, most: int) -> list[str]:
    """Return the first tags by name."""
    return list(tags.order_by("name").values_list("name", flat=True).distinct()[:most])


def choices(
    statements: QuerySet[Statement], databases: QuerySet[MonitoredDatabase] | None, name: str, *, most: int
) -> list[str]:
    """Return the first schemas or users (`schema_name`, `user_name`) of the statements, or of those of some databases."""
    named = statements.exclude(**{name: ""})
    if databases is not None:
        named = named.filter(database__in=databases.order_by().values("pk"))
    return list(named.order_by(name).values_list(name, flat=True).distinct()[:most])


def slow_queries(question: Question) -> QuerySet[SlowQuery]:
    """Return the single executions that were chosen and are kept."""
    slow = narrowed(retention.kept(question.slow_queries, since=question.shown.since), question.narrowing)
    return slow.filter(started_at__gte=question.shown.since, started_at__lt=question.shown.until)
