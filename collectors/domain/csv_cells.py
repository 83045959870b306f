"""Cells of CSV files that people open in a spreadsheet."""

import unicodedata
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@")
# Categories of characters that spreadsheets skip, or that are not seen: white space, controls, and such of no width.
_UNSEEN: Final = ("Z", "C")


def safe(value: Any) -> str:
    """Return the value as the text of a cell that no spreadsheet takes for a formula: such a one gets a `'` before it.

    Source: OWASP, CSV Injection. A formula may hide behind white space and characters of no width, and begin with a sign of
    full width, which some spreadsheets read as the plain one.
    """
    text = "" if value is None else str(value)
    seen = next((c for c in text if not unicodedata.category(c).startswith(_UNSEEN)), "")
    begins_unseen = text[:1] in {"\t", "\r", "\n"}
    return f"'{text}" if begins_unseen or unicodedata.normalize("NFKC", seen).startswith(_FORMULA) else text
