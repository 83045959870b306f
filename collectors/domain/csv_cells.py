"""Cells of CSV files that people open in a spreadsheet."""

from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe(value: Any) -> str:
    """Return the value as the text of a cell that no spreadsheet takes for a formula: such a one gets a `'` before it.

    Source: OWASP, CSV Injection.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
