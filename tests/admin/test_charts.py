"""Charts as data and as a table, little lines, and the control that chooses a period."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from collectors.admin import charts, time_range
from collectors.admin.display import Unit, in_unit
from collectors.domain.time_ranges import TimeRange
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def asked(query: str) -> TimeRange:
    return time_range.of(RequestFactory().get(f"/?{query}"), now=NOW)


def test_the_period_is_read_from_a_preset_or_from_two_moments() -> None:
    assert asked("period=week").length == timedelta(days=7)
    since = int((NOW - 2 * HOUR).timestamp())
    assert asked(f"since={since}&until={since + 3600}") == TimeRange(NOW - 2 * HOUR, NOW - HOUR)
    with timezone.override("Europe/Rome"):
        assert asked("since=2026-03-04T11:00&until=2026-03-04T12:30") == TimeRange(NOW - 2 * HOUR, NOW - HOUR / 2)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "period=no",
        "since=1",
        "since=x&until=y",
        "since=-1&until=5",
        "since=2026-13-01T00:00&until=1",
        "since=%00&until=1",
    ],
)
def test_a_period_that_cannot_be_read_is_the_last_day(query: str) -> None:
    assert (asked(query).preset, asked(query).length) == ("day", timedelta(days=1))


@pytest.mark.parametrize("query", ["since=99999999999&until=99999999999", "since=0&until=99999999999"])
def test_absurd_moments_are_kept_within_bounds(query: str) -> None:
    found = asked(query)
    assert found.until == NOW
    assert found.length <= timedelta(days=3_660)


def test_the_control_keeps_what_else_the_address_says() -> None:
    request = RequestFactory().get("/?period=week&database=4&page=3")
    control = time_range.control(request, time_range.of(request, now=NOW), now=NOW)
    assert [choice.address for choice in control.presets if choice.chosen] == ["?database=4&period=week"]
    assert control.kept == [("database", "4")]
    assert control.later == ""
    assert f"since={int((NOW - timedelta(days=14)).timestamp())}" in control.earlier


def test_a_chart_holds_the_same_numbers_for_the_script_and_as_a_table(cast: Cast, own: Rows, visit: Visit) -> None:
    response = visit(cast.carol).get(reverse("admin:queries"))
    chart = response.context["chart"]
    assert sum(chart.data["series"][1]["values"]) == 4
    assert [cells[1][0] for _, cells in chart.rows if cells[1][0]] == [4]
    data = response.content.split(b'id="load-data"')[1].split(b">", 1)[1].split(b"</script>")[0]
    assert json.loads(data) == json.loads(json.dumps(chart.data))
    assert "Shop" not in data.decode()
    assert [gap["text"] for gap in chart.data["gaps"]] == [
        "shop-mysql: rows of the slow log were gone before they were read (7)"
    ]


def test_a_little_line_is_told_in_words_and_fits_its_box() -> None:
    drawn = charts.sparkline([0, 2, None, 4], label="calls <of> x")
    assert 'aria-label="calls &lt;of&gt; x"' in drawn
    assert 'points="0.0,20.0 32.0,10.0 64.0,20.0 96.0,0.0"' in drawn
    assert "<svg" not in charts.sparkline([0, None], label="nothing")
    assert "<svg" not in charts.sparkline([], label="nothing")


def test_numbers_carry_their_units() -> None:
    shown = [
        in_unit(1_500_000_000, Unit.NANOSECONDS),
        in_unit(12_345, Unit.COUNT),
        in_unit(0.5, Unit.PER_SECOND),
        in_unit(33.333, Unit.PERCENT),
        in_unit(None, Unit.COUNT),
    ]
    assert shown == ["1.50 s", "12,345", "0.50 /s", "33.3 %", "-"]
    assert in_unit(2048, Unit.BYTES).startswith("2.0")
