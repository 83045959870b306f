"""What a label is."""

import pytest

from collectors.domain import labels, limits
from collectors.domain.labels import BadLabel


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Prod", "prod"),
        (" eu-West-1 ", "eu-west-1"),
        ("città", "città"),
        ("team:payments/eu", "team:payments/eu"),
        ("7", "7"),
    ],
)
def test_a_label_is_one_word_in_lower_case(text: str, label: str) -> None:
    assert labels.label(text) == label
    assert labels.label(label) == label


@pytest.mark.parametrize("text", ["", " ", "two words", "a,b", "-a", "<b>", "a&b", "a\x00", "a\nb", "x" * 41])
def test_everything_else_is_none(text: str) -> None:
    with pytest.raises(BadLabel):
        labels.label(text)


def test_a_region_may_be_missing() -> None:
    assert labels.region(" ") == ""
    assert labels.region("EU") == "eu"


def test_tags_are_in_order_each_once_and_not_too_many() -> None:
    assert labels.tags_of_line("b, A  b,\n,c") == ["a", "b", "c"]
    assert labels.tags_of_line(" , ") == []
    many = [f"t{number}" for number in range(limits.MAX_TAGS + 1)]
    assert len(labels.tags(many[1:])) == limits.MAX_TAGS
    with pytest.raises(BadLabel):
        labels.tags(many)
