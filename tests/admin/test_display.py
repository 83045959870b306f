"""Values in words."""

from datetime import UTC, datetime, timedelta

import pytest

from collectors.admin.display import ago, duration, nanoseconds, statement_in_full, statement_text
from collectors.models import Fingerprint


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (12, "12 s"),
        (60, "1 min"),
        (184, "3 min 4 s"),
        (601, "10 min"),
        (3_700, "1 h 1 min"),
        (86_400 * 2 + 3_600 * 5, "2 d 5 h"),
        (86_400 * 40, "40 d"),
    ],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_an_age_carries_its_exact_time() -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    shown = ago(moment, now=moment + timedelta(seconds=12))
    assert 'title="2030-01-02 03:04:05 UTC"' in shown
    assert ">12 s ago<" in shown
    assert ago(None, never="never") == "never"


@pytest.mark.parametrize(
    ("value", "words"), [(None, "-"), (0, "0.00 ms"), (1_500_000, "1.50 ms"), (2_500_000_000, "2.50 s")]
)
def test_nanoseconds_in_units(value: int | None, words: str) -> None:
    assert nanoseconds(value) == words


def test_a_statement_is_escaped() -> None:
    assert "<b>" not in statement_text("select '<b>'")
    assert "not here yet" in statement_text(None)


def test_a_whole_statement_is_escaped_and_leads_to_its_numbers() -> None:
    shown = statement_in_full(Fingerprint(pk=7, text="select '<b>' from t where x = ?"))
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert 'href="/admin/queries/7/"' in shown
    assert "not here yet" in statement_in_full(None)
