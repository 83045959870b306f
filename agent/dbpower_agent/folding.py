"""Folds the tokens of a statement: what may differ between two calls of the same statement is left out.

The folded statement is a tree of brackets. Its parts are compared by numbers that equal contents share, so that the
content of a bracket is looked at once, however deep it lies, and the time stays linear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbpower_agent.tokens import A_STRING, A_VALUE, REPEAT_UNION, REPEAT_UNION_ALL, SYMBOL, WORD, Dialect, Token

if TYPE_CHECKING:
    from collections.abc import Iterable

VALUE: Final = "?"
LIST: Final = "?+"  # One or more values.

_CLOSING: Final = {"(": ")", "[": "]"}
_BEFORE_LIST: Final = {"(": "in", "[": "array"}
_BEFORE_ROW: Final = frozenset({"values", "value"})
_BETWEEN_ROWS: Final = frozenset({",", "row"})
_SUBQUERIES: Final = frozenset({"select", "with", "values", "table"})
_CONSTANTS: Final = frozenset({"null", "true", "false"})
_AFTER_UNION: Final = frozenset({"order", "limit", ";"})

# Words that end no value: a sign behind them belongs to the number, a parenthesis behind them holds no arguments.
OPERATOR_WORDS: Final = frozenset(
    """all and as between by case check default distinct div else except exists explain filter from having ilike in
    intersect interval is join lateral like limit not offset on only or over recursive regexp return returning rlike
    select set similar then union using when where with xor""".split()
)

_INTRODUCERS: Final = frozenset(
    f"_{charset}"
    for charset in """armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr
    gb18030 gb2312 gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis
    swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4""".split()
)


class Bracket:
    """The content of a pair of brackets, or a whole statement. `closing` is empty where the text was cut off before."""

    __slots__ = (
        *("closing", "holds_values", "identity", "is_row", "item", "items", "noted", "opening", "parts", "previous"),
        *("rows", "select", "union"),
    )

    def __init__(self, opening: str, *, is_list: bool = False, is_row: bool = False) -> None:
        self.opening, self.closing, self.identity = opening, "", 0
        self.parts: list[str | Bracket] = []
        self.is_row, self.holds_values = is_row, False
        # Of a list: the identities of its items so far, and where the current one begins (at its comma).
        self.items: set[int] | None = set() if is_list else None
        self.item = 0
        # Inside the rows of a VALUES: the identities of those so far.
        self.rows: set[int] | None = None
        # Of a union: where the current select and the UNION before it begin (-1: none), the identity of the select
        # before, and the note that stands behind that one.
        self.select = self.union = -1
        self.previous, self.noted = 0, ""

    def before(self, back: int = 1) -> str | Bracket:
        """The part `back` places from the end, or an empty string."""
        return self.parts[-back] if len(self.parts) >= back else ""

    def add(self, part: str) -> None:
        """Append a part. Nothing but a comma, or ROW, stands between two rows of the same VALUES."""
        if part not in _BETWEEN_ROWS:
            self.rows = None
        self.parts.append(part)


def is_name(part: str) -> bool:
    """Whether this is a word or a quoted name; a hint may end like one."""
    last = part[-1:]
    return (last.isalnum() or last in {"_", "$", "`", '"'} or last > "\x7f") and not part.startswith("/*")


def ends_value(part: str | Bracket) -> bool:
    """Whether a sign behind this part is an operator: the part is a name, a value or a bracket."""
    if isinstance(part, Bracket) or part in {VALUE, LIST, ")", "]"}:
        return True
    return part not in OPERATOR_WORDS and is_name(part)


class Folding:
    """Takes the tokens of one statement, one after the other, and returns it folded at the end."""

    _keeps_tests = True  # `is null` is written as it is; otherwise as `is ?`.

    def __init__(self) -> None:
        self._open = [Bracket("")]
        self._numbers: dict[tuple[str | int, ...], int] = {}
        self._after_string = False

    def take(self, token: Token) -> None:
        """Add the next token."""
        kind, text = token
        bracket = self._open[-1]
        after_string, self._after_string = self._after_string, token is A_STRING
        if token is A_STRING and after_string:
            return  # 'a' 'b' is one string.
        if token is A_STRING or token is A_VALUE:
            self._value(bracket)
        elif kind == WORD and bracket.before() != ".":
            self._word(bracket, text)
        elif kind == SYMBOL:
            self._symbol(bracket, text)
        else:
            bracket.add(text)

    def finish(self) -> Bracket:
        """Return the statement, with what the text left open closed without a bracket."""
        while len(self._open) > 1:
            _without_loose_end(self._open[-1])
            self._close()
        statement = self._open[0]
        _without_loose_end(statement)
        self._complete(statement)
        _without_semicolons(statement.parts)
        return statement

    def _value(self, bracket: Bracket) -> None:
        parts = bracket.parts
        while bracket.before() in {"-", "+"} and not ends_value(bracket.before(2)):
            parts.pop()
        bracket.add(VALUE)

    def _word(self, bracket: Bracket, word: str) -> None:
        if word in _CONSTANTS and not (self._keeps_tests and _is_test(bracket, word)):
            self._value(bracket)
            return
        if not bracket.parts and word in _SUBQUERIES:
            bracket.items = None
        bracket.add(word)

    def _symbol(self, bracket: Bracket, symbol: str) -> None:
        if symbol in _CLOSING:
            is_list = bracket.before() == _BEFORE_LIST[symbol]
            self._open.append(Bracket(symbol, is_list=is_list, is_row=symbol == "(" and _begins_row(bracket)))
        elif bracket.opening and symbol == _CLOSING[bracket.opening]:
            bracket.closing = symbol
            self._close()
        else:
            if symbol == "," and bracket.items is not None:
                self._end_item(bracket, bracket.items)
            bracket.add(symbol)

    def _close(self) -> None:
        """Hang the innermost bracket into the one around it, unless it is a row that was there already."""
        bracket, parent = self._open.pop(), self._open[-1]
        self._complete(bracket)
        bracket.identity = self._number(bracket.parts, bracket.opening)
        if bracket.is_row and parent.rows is not None:
            cut_off = parent.rows and not bracket.parts and not bracket.closing
            if cut_off or bracket.identity in parent.rows:
                _without_loose_end(parent)
                return
            parent.rows.add(bracket.identity)
        else:
            parent.rows = None
        parent.parts.append(bracket)

    def _complete(self, bracket: Bracket) -> None:
        if bracket.items is not None:
            self._end_item(bracket, bracket.items)
        bracket.holds_values = _holds_values(bracket.parts)
        if bracket.holds_values and (bracket.items is not None or bracket.is_row):
            bracket.parts = [LIST]

    def _end_item(self, bracket: Bracket, items: set[int]) -> None:
        """Take the last item of a list out again if it is empty or was there before."""
        begin = bracket.item
        first = begin + (bracket.parts[begin : begin + 1] == [","])
        identity = self._number(bracket.parts[first:])
        if first == len(bracket.parts) or identity in items:
            del bracket.parts[begin:]
        items.add(identity)
        bracket.item = len(bracket.parts)

    def _number(self, parts: list[str | Bracket], opening: str = "") -> int:
        """The number of this content: the same for the same content, never 0."""
        content = (opening, *(part if isinstance(part, str) else part.identity for part in parts))
        return self._numbers.setdefault(content, len(self._numbers) + 1)


class MySQLFolding(Folding):
    """Adds the conventions of pt-fingerprint."""

    _keeps_tests = False

    def finish(self) -> Bracket:
        """`call name(...)` keeps the name only, `use name` not even that."""
        statement = super().finish()
        parts = statement.parts
        if parts[:1] == ["call"]:
            end = next((index for index, part in enumerate(parts) if isinstance(part, Bracket)), len(parts))
            del parts[end:]
            _without_semicolons(parts)
        elif parts[:1] == ["use"] and len(parts) == 2 and ends_value(parts[1]):
            parts[1] = VALUE
        return statement

    def _value(self, bracket: Bracket) -> None:
        while bracket.before() in _INTRODUCERS:
            bracket.parts.pop()  # The charset of the string that follows.
        super()._value(bracket)
        parts = bracket.parts
        if bracket.items is None and parts[-4:-2] == ["limit", VALUE] and parts[-2] in {",", "offset"}:
            del parts[-2:]

    def _word(self, bracket: Bracket, word: str) -> None:
        if word == "asc":
            return  # Holds anyway, and is no name.
        if word == "select" and bracket.select < 0:
            bracket.select = len(bracket.parts)
        elif word == "union":
            self._end_select(bracket)
            bracket.union = len(bracket.parts)
        elif word in _AFTER_UNION:
            self._end_union(bracket)
        super()._word(bracket, word)

    def _symbol(self, bracket: Bracket, symbol: str) -> None:
        if symbol in _AFTER_UNION:
            self._end_union(bracket)
            bracket.select = -1
        super()._symbol(bracket, symbol)

    def _complete(self, bracket: Bracket) -> None:
        self._end_union(bracket)
        super()._complete(bracket)

    def _end_union(self, bracket: Bracket) -> None:
        if bracket.union >= 0:
            self._end_select(bracket)
            bracket.union, bracket.previous = -1, 0

    def _end_select(self, bracket: Bracket) -> None:
        """Take the last select of a union out again if it repeats the one before, and note that once."""
        if bracket.select < 0:
            return
        parts, select, bracket.select = bracket.parts, bracket.select, -1
        identity = self._number(parts[select:])
        note = _note_of_union(parts[bracket.union : select]) if bracket.union >= 0 else ""
        if note and identity == bracket.previous and bracket.noted in {"", note}:
            del parts[bracket.union :]
            if not bracket.noted:
                bracket.noted = note
                parts.append(note)
        else:
            bracket.previous, bracket.noted = identity, ""


def fold(tokens: Iterable[Token], dialect: Dialect) -> Bracket:
    """Return the statement as a tree without what two calls of it may have different."""
    folding = MySQLFolding() if dialect == "mysql" else Folding()
    for token in tokens:
        folding.take(token)
    return folding.finish()


def _is_test(bracket: Bracket, word: str) -> bool:
    """PostgreSQL replaces constants, but neither `is null` nor `is not true`; and NOT NULL is a constraint."""
    if bracket.before() == "not":
        return word == "null" or bracket.before(2) == "is"
    return bracket.before() == "is"


def _begins_row(bracket: Bracket) -> bool:
    before = bracket.before(2) if bracket.before() == "row" else bracket.before()
    if before in _BEFORE_ROW and bracket.items is None:
        bracket.rows = set()
    return bracket.rows is not None and (before == "," or before in _BEFORE_ROW)


def _holds_values(parts: list[str | Bracket]) -> bool:
    """Whether there is at least one value and nothing else, but for brackets around values."""
    some = False
    for part in parts:
        if part == ",":
            continue
        if not (part.holds_values if isinstance(part, Bracket) else part in {VALUE, LIST}):
            return False
        some = True
    return some


def _note_of_union(joint: list[str | Bracket]) -> str:
    return {1: REPEAT_UNION, 2: REPEAT_UNION_ALL if joint[-1] == "all" else ""}.get(len(joint), "")


def _without_loose_end(bracket: Bracket) -> None:
    """Take away the comma behind the last row, where the row it announces is missing."""
    while bracket.is_row and bracket.before() == ",":
        bracket.parts.pop()
    while bracket.rows is not None and bracket.before() in _BETWEEN_ROWS:
        bracket.parts.pop()


def _without_semicolons(parts: list[str | Bracket]) -> None:
    while parts[-1:] == [";"]:
        parts.pop()
    leading = next((index for index, part in enumerate(parts) if part != ";"), 0)
    del parts[:leading]
