"""What statements cost over time, in equal slots. Reading only; callers pass querysets that are already scoped."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import DateTimeField, F, Func, QuerySet, Sum

from collectors.domain import periods, time_ranges
from collectors.services import queries

Totals = dict[str, int | None]

# From this width on, slots are read from what was rolled up to it.
_READ_IN: Final = (periods.WEEK, periods.DAY, periods.HOUR)


class Slot(Func):
    """The beginning of the slot of time that a moment falls in, counted from 1970 on as `domain.periods` does."""

    output_field = DateTimeField()

    def __init__(self, expression: str, seconds: int) -> None:
        super().__init__(expression)
        self.extra["seconds"] = int(seconds)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Count whole slots in seconds; a moment is text of the form that Django reads."""
        template = (
            "datetime(CAST(strftime('%%%%s', %(expressions)s) AS bigint) / %(seconds)s * %(seconds)s, 'unixepoch')"
        )
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Let PostgreSQL 14 and later count them."""
        template = "date_bin('%(seconds)s seconds', %(expressions)s, TIMESTAMPTZ '1970-01-01 00:00:00+00')"
        return self.as_sql(compiler, connection, template=template, **context)


def by_slot(
    *,
    costs: QuerySet[queries.Counted],
    since: datetime,
    until: datetime,
    width: timedelta,
    sums: Sequence[str] = ("calls", "total_time_ns"),
    apart: Sequence[str] = (),
) -> dict[tuple[Any, ...], list[Totals]]:
    """Return what columns of Cost or DatabaseCost sum up to in each slot of `width` that `since` to before `until` touches, oldest first.

    The first slot is read whole: half of one would look like less load. `apart` names lookups by whose values the series are
    kept apart; the keys of the answer are those values, so without any the one key is `()`. A slot without a row holds zeros;
    a sum is None where the engine has no such counter.
    """
    starts = time_ranges.starts(since, until, width)
    places = {start: place for place, start in enumerate(starts)}
    # Stored slots of all rows together are few, and put into those that are asked for sooner here than by the database.
    slot = Slot("started_at", int(width.total_seconds())) if apart else F("started_at")
    rows = (
        queries.counted_in(costs, since=starts[0], until=until, widest=read_in(width))
        .order_by()
        .annotate(slot=slot)
        .values_list(*apart, "slot")
        .annotate(**{f"sum_{name}": Sum(name) for name in sums})
    )
    found: dict[tuple[Any, ...], list[Totals]] = {}
    for (*key, start), totals in _by_start(rows, width, sums).items():
        if tuple(key) not in found:
            found[tuple(key)] = _empty(sums, len(starts))
        # Numbers that are only kept by the day may begin before the first slot.
        _add(found[tuple(key)][places.get(start, 0)], totals)
    if not apart:
        found.setdefault((), _empty(sums, len(starts)))
    return found


def _by_start(rows: Iterable[tuple[Any, ...]], width: timedelta, sums: Sequence[str]) -> dict[tuple[Any, ...], Totals]:
    """Return the sums of rows (values that keep apart, the time, a sum of each column) by those values and the slot of the time.

    What is not known of some rows adds nothing, as in the database.
    """
    found: dict[tuple[Any, ...], Totals] = {}
    for row in rows:
        *key, at = row[: -len(sums)]
        totals = found.setdefault((*key, periods.floor(at, width)), dict.fromkeys(sums))
        for name, value in zip(sums, row[-len(sums) :], strict=True):
            before = totals[name]
            totals[name] = before if value is None else value + (before or 0)
    return found


def read_in(width: timedelta) -> timedelta:
    """Return the widest slots that are stored and that slots of `width` are made of."""
    return next((stored for stored in _READ_IN if width % stored == timedelta(0)), periods.BUCKET)


def _empty(sums: Sequence[str], slots: int) -> list[Totals]:
    return [dict.fromkeys(sums, 0) for _ in range(slots)]


def _add(totals: Totals, more: Totals) -> None:
    for name, value in more.items():
        before = totals[name]
        totals[name] = None if value is None or before is None else before + value
