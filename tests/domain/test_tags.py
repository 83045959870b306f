"""Labels that people give to statements."""

from collectors.domain import limits, tags


def test_tags_are_read_from_a_text_with_commas() -> None:
    assert tags.tags_of(" Nightly,  owner:  Billing ,nightly,,\n") == ["nightly", "owner: billing"]
    assert tags.tags_of(" , ") == []


def test_tags_are_few_short_and_printable() -> None:
    assert tags.wrong_with(["a", "é"]) == ""
    assert "20 tags" in tags.wrong_with([str(number) for number in range(limits.MAX_TAGS + 1)])
    assert "40 characters" in tags.wrong_with(["x" * 41])
    assert "control" in tags.wrong_with(["a\x1bb"])
