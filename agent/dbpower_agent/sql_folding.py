"""Folds the tokens of a statement: what may differ between two calls of the same statement is left out.

The folded statement is a tree of brackets. Two parts of it are compared by numbers given to equal contents, so that a
bracket's content is looked at once, however deeply it is nested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbpower_agent.sql_tokens import REPEAT_UNION, REPEAT_UNION_ALL, Dialect, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbpower_agent.sql_tokens import Token

LIST: Final = "?+"  # Stands for one or more literals.

_CLOSING: Final = {"(": ")", "[": "]"}
_SUBQUERIES: Final = frozenset({"select", "with", "values", "table"})
_CONSTANTS: Final = frozenset({"null", "true", "false"})
_REPEATS: Final = {("union",): REPEAT_UNION, ("union", "all"): REPEAT_UNION_ALL}

# Words after which a value begins: a sign there belongs to the number.
BEFORE_VALUES: Final = frozenset(
    """all and any as between by case default distinct div else except exists explain filter from having ilike in
    intersect interval is join lateral like limit not offset on or over recursive regexp return returning rlike select
    set similar some then union using when where with xor""".split()
)

_INTRODUCERS: Final = frozenset(
    f"_{charset}"
    for charset in """armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr
    gb18030 gb2312 gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis
    swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4""".split()
)


class Bracket:
    """The content of a pair of brackets, or the whole statement; the closing one is missing where the text was cut."""

    __slots__ = ("closing", "comma", "identity", "is_list", "is_row", "opening", "parts", "rows", "select", "selects")

    def __init__(self, opening: str, *, is_list: bool = False, is_row: bool = False) -> None:
        self.opening, self.closing, self.identity = opening, "", 0
        self.parts: list[str | Bracket] = []
        self.is_list, self.is_row = is_list, is_row
        self.comma = -1  # Where the current item of a list begins: at its comma.
        self.selects: set[int] | None = None
        self.rows: set[int] | None = None
        self.select = -1
