"""Cells that no spreadsheet takes for a formula."""

import pytest

from collectors.domain.csv_cells import safe


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize(("value", "cell"), [(None, ""), (7, "7"), ("a=b", "a=b"), ("", "")])
def test_anything_else_is_as_it_is(value: object, cell: str) -> None:
    assert safe(value) == cell


def test_a_negative_number_is_text_too() -> None:
    assert safe(-1) == "'-1"
