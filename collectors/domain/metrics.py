"""What can be told of statements: every metric by name, and the columns of stored costs that it is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Sums = Mapping[str, int | None]

CALLS: Final = "calls"
TIME: Final = "total_time_ns"
SHORTEST: Final = "min_time_ns"
LONGEST: Final = "max_time_ns"
_PERCENT: Final = 100


class Kind(StrEnum):
    """How a metric is made of its columns."""

    SUM = "sum"
    PER_CALL = "per_call"
    PER_SECOND = "per_second"
    # Percent of what all rows of the period have together.
    SHARE = "share"
    # Percent of the sum of `of`, columns of the same row.
    RATIO = "ratio"
    EXTREME = "extreme"
    # Told from sketches of single executions, which only slow logs have: known of the rows that are shown, and no order.
    PERCENTILE = "percentile"


@dataclass(frozen=True)
class Metric:
    """One number of a row. `unit` is that of `admin.display.Unit`: ns, count, decimal, per_second, bytes or percent.

    `column` is a column of Cost; of a percentile it is the share of executions that took no longer.
    """

    name: str
    kind: Kind
    unit: str
    column: str
    of: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have to be added up for it."""
        if self.kind is Kind.PERCENTILE:
            return (CALLS,)
        return (self.column, CALLS) if self.kind is Kind.PER_CALL else (self.column, *self.of)

    @property
    def sortable(self) -> bool:
        """Whether rows can be put in its order."""
        return self.kind is not Kind.PERCENTILE

    def value(self, sums: Sums, *, seconds: float, whole: Sums) -> float | None:
        """Return the number of a row with these sums, in a period of `seconds`; None where it is not known.

        `whole` are the sums of all rows. Percentiles are not told from sums.
        """
        top = sums.get(self.column)
        if top is None:
            return None
        if self.kind in {Kind.SUM, Kind.EXTREME}:
            return top
        if self.kind is Kind.PER_SECOND:
            return top / seconds
        if self.kind is Kind.PER_CALL:
            return _quotient(top, sums.get(CALLS))
        if self.kind is Kind.SHARE:
            return _quotient(_PERCENT * top, whole.get(self.column))
        parts = [sums.get(name) for name in self.of]
        return None if None in parts else _quotient(_PERCENT * top, sum(part or 0 for part in parts))


def _quotient(top: int, bottom: int | None) -> float | None:
    return top / bottom if bottom else None


def _counter(name: str, unit: str, column: str = "") -> tuple[Metric, Metric]:
    """Return a sum, and the same for each call."""
    column = column or name
    each = "decimal" if unit == "count" else unit
    return Metric(name, Kind.SUM, unit, column), Metric(f"{name}_per_call", Kind.PER_CALL, each, column)


_ALL: Final = (
    Metric("load", Kind.PER_SECOND, "sessions", TIME),
    Metric("share", Kind.SHARE, "percent", TIME),
    Metric("total_time", Kind.SUM, "ns", TIME),
    Metric("calls", Kind.SUM, "count", CALLS),
    Metric("calls_per_second", Kind.PER_SECOND, "per_second", CALLS),
    Metric("avg_time", Kind.PER_CALL, "ns", TIME),
    Metric("min_time", Kind.EXTREME, "ns", SHORTEST),
    Metric("max_time", Kind.EXTREME, "ns", LONGEST),
    Metric("p50_time", Kind.PERCENTILE, "ns", "0.5"),
    Metric("p95_time", Kind.PERCENTILE, "ns", "0.95"),
    Metric("p99_time", Kind.PERCENTILE, "ns", "0.99"),
    *_counter("rows", "count"),
    *_counter("rows_examined", "count"),
    *_counter("rows_affected", "count"),
    *_counter("lock_time", "ns", "lock_time_ns"),
    Metric("lock_share", Kind.RATIO, "percent", "lock_time_ns", (TIME,)),
    *_counter("cpu_time", "ns", "cpu_time_ns"),
    Metric("errors", Kind.SUM, "count", "errors"),
    Metric("error_share", Kind.RATIO, "percent", "errors", (CALLS,)),
    Metric("warnings", Kind.SUM, "count", "warnings"),
    Metric("full_scans", Kind.SUM, "count", "full_scans"),
    Metric("no_index_used", Kind.SUM, "count", "no_index_used"),
    *_counter("tmp_tables", "count"),
    Metric("tmp_disk_tables", Kind.SUM, "count", "tmp_disk_tables"),
    *_counter("shared_blks_hit", "count"),
    *_counter("shared_blks_read", "count"),
    Metric("cache_hits", Kind.RATIO, "percent", "shared_blks_hit", ("shared_blks_hit", "shared_blks_read")),
    Metric("shared_blks_dirtied", Kind.SUM, "count", "shared_blks_dirtied"),
    Metric("shared_blks_written", Kind.SUM, "count", "shared_blks_written"),
    Metric("local_blks_hit", Kind.SUM, "count", "local_blks_hit"),
    Metric("local_blks_read", Kind.SUM, "count", "local_blks_read"),
    Metric("temp_blks_read", Kind.SUM, "count", "temp_blks_read"),
    Metric("temp_blks_written", Kind.SUM, "count", "temp_blks_written"),
    *_counter("blk_read_time", "ns", "blk_read_time_ns"),
    *_counter("blk_write_time", "ns", "blk_write_time_ns"),
    Metric("wal_records", Kind.SUM, "count", "wal_records"),
    Metric("wal_fpi", Kind.SUM, "count", "wal_fpi"),
    *_counter("wal_bytes", "bytes"),
)
METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ALL}
# What is shown to somebody who chose nothing.
DEFAULTS: Final = ("total_time", "calls", "avg_time", "max_time", "rows")
DEFAULT_ORDER: Final = "total_time"
# More do not fit beside each other, and each one is one more sum over the period.
MOST: Final = 12


def chosen(names: Iterable[str]) -> list[Metric]:
    """Return the metrics of these names, in the registry's order; without any that exists, the usual ones."""
    wanted = set(names)
    found = [metric for name, metric in METRICS.items() if name in wanted][:MOST]
    return found or [METRICS[name] for name in DEFAULTS]


def columns_of(metrics: Iterable[Metric]) -> list[str]:
    """Return the columns that these metrics are made of, each once; calls and time always are among them."""
    return list(dict.fromkeys([CALLS, TIME, *(column for metric in metrics for column in metric.columns)]))
