"""Collector keys: made, parsed, compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import keys


@given(st.integers(min_value=1, max_value=2**63 - 1))
def test_a_generated_key_parses_to_its_collector_and_digest(collector_id: int) -> None:
    key = keys.generate_key(collector_id)
    assert keys.parse_key(key) == (collector_id, keys.digest_of(key))
    assert keys.matches(key, keys.digest_of(key))


def test_a_key_has_256_random_bits() -> None:
    tokens = {keys.generate_key(7).removeprefix("collector_7_") for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) == 43 for token in tokens), "32 bytes are 43 characters of base64"


def test_the_token_may_contain_underscores() -> None:
    key = "collector_12_" + "_a_" * 10
    parsed = keys.parse_key(key)
    assert parsed is not None
    assert parsed.collector_id == 12


@pytest.mark.parametrize(
    "key",
    [
        "",
        "collector_",
        "collector_0_" + "a" * 43,
        "collector_01_" + "a" * 43,
        "collector_-1_" + "a" * 43,
        f"collector_{2**63}_" + "a" * 43,
        "collector_٣_" + "a" * 43,
        "collector_1_short",
        "collector_1_" + "a" * 129,
        "collector_1_" + "ä" * 43,
        "collector_1_" + "a" * 43 + "\n",
        " collector_1_" + "a" * 43,
        "Collector_1_" + "a" * 43,
        "collector_1_" + "a" * 20 + "\udcff" + "a" * 20,
    ],
)
def test_what_is_not_a_key_is_none(key: str) -> None:
    assert keys.parse_key(key) is None


@given(st.text())
def test_no_text_makes_parsing_fail(text: str) -> None:
    keys.parse_key(text)
    assert len(keys.digest_of(text)) == 64


def test_another_key_does_not_match_nor_does_a_missing_digest() -> None:
    key = keys.generate_key(1)
    assert not keys.matches(keys.generate_key(1), keys.digest_of(key))
    assert not keys.matches(key, "")
