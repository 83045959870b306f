"""Cells that no spreadsheet takes for a formula."""

import pytest

from collectors.domain.csv_cells import safe


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe62", "\ufe66"])
@pytest.mark.parametrize(
    "before", ["", "\n", "\r\n", " ", "   ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2060\u200d", "\x00"]
)
def test_what_is_not_seen_or_looks_alike_hides_no_formula(before: str, sign: str) -> None:
    assert safe(f"{before}{sign}1+1") == f"'{before}{sign}1+1"


@pytest.mark.parametrize("text", ["\nx", "\tx", "\rx"])
def test_what_might_begin_another_cell_or_line_does_not(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", [" plain", "\u200bplain", "größer = kleiner", "  ", "(=1)"])
def test_white_space_alone_is_no_reason(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(("value", "cell"), [(None, ""), (7, "7"), ("a=b", "a=b"), ("", "")])
def test_anything_else_is_as_it_is(value: object, cell: str) -> None:
    assert safe(value) == cell


def test_a_negative_number_is_text_too() -> None:
    assert safe(-1) == "'-1"
