"""The registry of metrics, and what each is made of."""

import pytest

from collectors.admin.display import Unit
from collectors.admin.metric_titles import TITLES
from collectors.domain import metrics
from collectors.domain.metrics import METRICS, Kind
from collectors.models import Cost

ROW = {
    "calls": 8,
    "total_time_ns": 4_000,
    "lock_time_ns": 1_000,
    "shared_blks_hit": 30,
    "shared_blks_read": 10,
    "rows": 0,
}
WHOLE = {"calls": 32, "total_time_ns": 16_000}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_time", 4_000),
        ("calls", 8),
        ("avg_time", 500),
        ("calls_per_second", 0.8),
        ("load", 400),
        ("share", 25),
        ("lock_share", 25),
        ("cache_hits", 75),
        ("rows", 0),
        ("rows_per_call", 0),
        ("wal_bytes", None),
        ("wal_bytes_per_call", None),
        ("error_share", None),
    ],
)
def test_a_metric_is_made_of_its_columns(name: str, value: float | None) -> None:
    assert METRICS[name].value(ROW, seconds=10, whole=WHOLE) == value


@pytest.mark.parametrize("name", METRICS)
def test_of_a_row_without_calls_nothing_is_told(name: str) -> None:
    gone = dict.fromkeys(metrics.columns_of([METRICS[name]]))
    assert METRICS[name].value(gone, seconds=10, whole=WHOLE) is None
    zero = dict.fromkeys(metrics.columns_of([METRICS[name]]), 0)
    assert METRICS[name].value(zero, seconds=10, whole=zero) in {0, None}


def test_every_column_exists_and_every_metric_has_a_title_and_a_unit() -> None:
    columns = {field.name for field in Cost._meta.fields}
    assert {column for metric in METRICS.values() for column in metric.columns} <= columns
    assert set(TITLES) == set(METRICS)
    assert {metric.unit for metric in METRICS.values()} <= set(Unit)


def test_every_number_that_is_stored_can_be_shown() -> None:
    shown = {column for metric in METRICS.values() for column in metric.columns}
    other = {"pk", "organization_id", "database", "statement", "started_at", "resolution"}
    assert {field.name for field in Cost._meta.fields} - other == shown


def test_columns_are_chosen_by_name_in_the_registrys_order_and_are_not_too_many() -> None:
    assert [metric.name for metric in metrics.chosen(["rows", "no such", "calls"])] == ["calls", "rows"]
    assert tuple(metric.name for metric in metrics.chosen(["no such"])) == metrics.DEFAULTS
    assert len(metrics.chosen(METRICS)) == metrics.MOST


def test_percentiles_are_no_order() -> None:
    assert [name for name, metric in METRICS.items() if not metric.sortable] == ["p50_time", "p95_time", "p99_time"]
    assert METRICS["p95_time"].kind is Kind.PERCENTILE
