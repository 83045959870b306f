"""Labels that people give to statements."""

from collectors.domain import limits, tags


def test_tags_are_read_from_a_text_with_commas() -> None:
    assert tags.tags_of(" Nightly,  owner:  Billing ,nightly,,\n") == ["nightly", "owner: billing"]
    assert tags.tags_of(" , ") == []


def test_tags_are_few_short_and_printable() -> None:
    assert tags.are_good(["a", "é"])
    assert not tags.are_good([str(number) for number in range(limits.MAX_TAGS + 1)])
    assert not tags.are_good(["x" * (limits.MAX_TAG_CHARACTERS + 1)])
    assert not tags.are_good(["a\x1bb"])
