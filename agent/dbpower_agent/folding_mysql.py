"""The conventions of pt-fingerprint that hold for MySQL and MariaDB only."""

from __future__ import annotations

from typing import Final

from dbpower_agent.folding import VALUE, Bracket, Folding, ends_value, without_end
from dbpower_agent.tokens import REPEAT_UNION, REPEAT_UNION_ALL

_AFTER_UNION: Final = frozenset({"order", "limit", ";"})
_INTRODUCERS: Final = frozenset(
    f"_{charset}"
    for charset in """armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr
    gb18030 gb2312 gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis
    swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4""".split()
)


class MySQLFolding(Folding):
    """Adds the conventions of pt-fingerprint."""

    keeps_tests = False

    def finish(self) -> Bracket:
        """`call name(...)` keeps the name only, `use name` not even that."""
        statement = super().finish()
        parts = statement.parts
        if parts[:1] == ["call"]:
            end = next((index for index, part in enumerate(parts) if isinstance(part, Bracket)), len(parts))
            del parts[end:]
            without_end(statement)
        elif parts[:1] == ["use"] and len(parts) == 2 and ends_value(parts[1]):
            parts[1] = VALUE
        return statement

    def value(self, bracket: Bracket) -> None:
        while bracket.before() in _INTRODUCERS:
            bracket.parts.pop()  # The charset of the string that follows.
        super().value(bracket)
        parts = bracket.parts
        if bracket.items is None and parts[-4:-2] == ["limit", VALUE] and parts[-2] in {",", "offset"}:
            del parts[-2:]

    def word(self, bracket: Bracket, word: str) -> None:
        if word == "asc":
            return  # Holds anyway, and is no name.
        if word == "select" and bracket.select < 0:
            bracket.select = len(bracket.parts)
        elif word == "union":
            self._end_select(bracket)
            bracket.union = len(bracket.parts)
        elif word in _AFTER_UNION:
            self._end_union(bracket)
        super().word(bracket, word)

    def symbol(self, bracket: Bracket, symbol: str) -> None:
        if symbol in _AFTER_UNION:
            self._end_union(bracket)
            bracket.select = -1
        super().symbol(bracket, symbol)

    def complete(self, bracket: Bracket) -> None:
        self._end_union(bracket)
        super().complete(bracket)

    def _end_union(self, bracket: Bracket) -> None:
        if bracket.union >= 0:
            self._end_select(bracket)
            bracket.union, bracket.previous = -1, 0

    def _end_select(self, bracket: Bracket) -> None:
        """Take the last select of a union out again if it repeats the one before, and note that once."""
        if bracket.select < 0:
            return
        parts, select, bracket.select = bracket.parts, bracket.select, -1
        identity = self.number(parts[select:])
        note = _note_of_union(parts[bracket.union : select]) if bracket.union >= 0 else ""
        if note and identity == bracket.previous and bracket.noted in {"", note}:
            del parts[bracket.union :]
            if not bracket.noted:
                bracket.noted = note
                parts.append(note)
        else:
            bracket.previous, bracket.noted = identity, ""


def _note_of_union(joint: list[str | Bracket]) -> str:
    return {1: REPEAT_UNION, 2: REPEAT_UNION_ALL if joint[-1] == "all" else ""}.get(len(joint), "")
