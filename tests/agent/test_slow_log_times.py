"""From a wall clock of an unknown zone to an age: the zone is found from when the row was written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import limits
from dbpower_agent.sources.slow_log_rows import (
    clean_text,
    event_end,
    parse_duration,
    parse_row,
    parse_wall_clock,
    split_user_host,
)
from dbpower_agent.sources.slow_log_times import Window, resolve_end

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@given(
    offset=st.integers(-13 * 4, 14 * 4),
    server_offset=st.integers(-13 * 4, 14 * 4),
    before=st.floats(0, 600),
    interval=st.floats(1, 600),
)
def test_a_short_interval_gives_the_zone_of_any_session(
    offset: int, server_offset: int, before: float, interval: float
) -> None:
    end = NOW - timedelta(seconds=min(before, interval))
    window = Window(NOW - timedelta(seconds=interval), NOW)
    found = resolve_end(end + offset * QUARTER, window, server_offset=server_offset * 900)
    assert not found.approximate
    assert abs((found.end - end).total_seconds()) < 0.001


@given(offset=st.integers(-11 * 4, 11 * 4), before=st.floats(0, 7200))
def test_a_long_interval_is_approximate_but_never_outside_it(offset: int, before: float) -> None:
    end = NOW - timedelta(seconds=before)
    window = Window(NOW - timedelta(hours=2), NOW)
    found = resolve_end(end + offset * QUARTER, window, server_offset=0)
    assert found.approximate
    assert window.since is not None
    assert window.since - timedelta(seconds=2.1) <= found.end <= NOW


def test_in_a_long_interval_the_servers_own_zone_is_preferred() -> None:
    end = NOW - timedelta(minutes=20)
    window = Window(NOW - timedelta(hours=3), NOW)
    assert resolve_end(end + 4 * QUARTER, window, server_offset=3600).end == end


def test_an_old_table_is_read_in_the_servers_zone_and_marked() -> None:
    end = NOW - timedelta(days=40)
    found = resolve_end(end + timedelta(hours=2), Window(None, NOW), server_offset=7200)
    assert (found.end, found.approximate) == (end, True)
    future = resolve_end(NOW + timedelta(days=4000), Window(None, NOW), server_offset=0)
    assert future.end == NOW


def test_a_time_that_fits_no_zone_is_put_into_the_interval() -> None:
    window = Window(NOW - timedelta(seconds=60), NOW)
    found = resolve_end(NOW + timedelta(days=300), window, server_offset=0)
    assert (found.end, found.approximate) == (NOW, True)


def test_mariadb_logs_the_start_and_mysql_the_end() -> None:
    raw = (
        b"2026-01-01 00:00:00.500000",
        b"u[u] @ h []",
        b"00:10:00.250000",
        b"00:00:00",
        b"1",
        b"2",
        b"",
        b"3",
        b"1",
        b"x",
    )
    execution = parse_row(raw)
    assert event_end(execution, logs_start=True) - event_end(execution, logs_start=False) == timedelta(seconds=600.25)


@pytest.mark.parametrize(
    ("text", "user", "host"),
    [
        ("app[app] @ web1 [10.0.0.7]", "app", "10.0.0.7"),
        ("app[app] @  [127.0.0.1]", "app", "127.0.0.1"),
        ("root[root] @ localhost []", "root", "localhost"),
        ("[event] @  []", "event", ""),
        ("a @ b[x] @ h [::1]", "a", "::1"),
        ("nonsense", "nonsense", ""),
        ("", "", ""),
    ],
)
def test_user_and_host_are_told_apart(text: str, user: str, host: str) -> None:
    assert split_user_host(text) == (user, host)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:01.250000", 1.25), ("838:59:59.999999", 3020399.999999), ("00:00:00", 0.0), ("x", 0.0), ("", 0.0)],
)
def test_durations_are_read_to_the_microsecond(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_damaged_columns_become_harmless_values() -> None:
    execution = parse_row((None, b"\xff", b"?", None, b"x", b"-5", None, None, None, b"\xc3\x28"))
    assert (execution.rows_sent, execution.rows_examined, execution.rows_affected) == (0, 0, 0)
    assert execution.database == ""
    assert parse_wall_clock("0000-00-00 00:00:00").year == 1970


@given(st.text())
def test_cleaned_text_can_be_stored_anywhere(text: str) -> None:
    cleaned = clean_text(text + "\x00\ud800")
    cleaned.encode()
    assert "\x00" not in cleaned


def test_names_are_as_long_as_the_backend_takes_them_at_most() -> None:
    """One that were longer would have a whole upload refused. A user's name with a line feed in it is no pattern's."""
    row = (None, b"a\n" * 300 + b" @ h [::1]", None, None, None, None, b"d" * 300, None, None, b"SELECT 1")
    execution = parse_row(row)
    assert (len(execution.user), len(execution.database)) == (limits.MAX_NAME_CHARACTERS,) * 2
