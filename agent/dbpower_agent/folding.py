"""Folds the tokens of a statement: what may differ between two calls of the same statement is left out.

The folded statement is a tree of brackets. Its parts are compared by numbers that equal contents share, so that the
content of a bracket is looked at once, however deep it lies, and the time stays linear.
"""

from __future__ import annotations

from typing import Final

from dbpower_agent.tokens import (
    A_STRING,
    A_VALUE,
    CONSTANTS,
    REPEAT_UNION,
    REPEAT_UNION_ALL,
    SYMBOL,
    WORD,
    Dialect,
    Token,
)

VALUE: Final = "?"
LIST: Final = "?+"  # One or more values.

_CLOSING: Final = {"(": ")", "[": "]"}
_BEFORE_LIST: Final = {"(": "in", "[": "array"}
_BEFORE_ROW: Final = frozenset({"values", "value"})
_BETWEEN_ROWS: Final = frozenset({",", "row"})
_SUBQUERIES: Final = frozenset({"select", "with", "values", "table"})

# Words that end no value: a sign behind them belongs to the number, a parenthesis behind them holds no arguments.
OPERATOR_WORDS: Final = frozenset(
    """all and as between by case check default distinct div else except exists explain filter from having ilike in
    intersect interval is join lateral like limit not offset on only or over recursive regexp return returning rlike
    select set similar then union using when where with xor""".split()
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
        if part not in _BETWEEN_ROWS and part != ";":
            self.rows = None
        self.parts.append(part)


def is_name(part: str) -> bool:
    """Whether this is a word or a quoted name. A hint may end like one, and a backtick may stand alone."""
    if part.startswith("/*") or part == "`":
        return False
    last = part[-1:]
    return last.isalnum() or last in {"_", "$", "`", '"'} or last > "\x7f"


def ends_value(part: str | Bracket) -> bool:
    """Whether a sign behind this part is an operator: the part is a name, a value or a bracket."""
    if isinstance(part, Bracket) or part in {VALUE, LIST, ")", "]"}:
        return True
    return part not in OPERATOR_WORDS and is_name(part)


class Folding:
    """Takes the tokens of one statement, one after the other, and returns it folded at the end."""

    keeps_tests = True  # `is null` is written as it is; otherwise as `is ?`.

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
            self.value(bracket)
        elif kind == WORD and bracket.before() != ".":
            self.word(bracket, text)
        elif kind == SYMBOL:
            self.symbol(bracket, text)
        else:
            bracket.add(text)

    def finish(self) -> Bracket:
        """Return the statement, with what the text left open closed without a bracket."""
        while len(self._open) > 1:
            _without_loose_end(self._open[-1])
            self._close()
        statement = self._open[0]
        without_end(statement)
        self.complete(statement)
        leading = next((index for index, part in enumerate(statement.parts) if part != ";"), 0)
        del statement.parts[:leading]
        return statement

    def value(self, bracket: Bracket) -> None:
        parts = bracket.parts
        while bracket.before() in {"-", "+"} and not ends_value(bracket.before(2)):
            parts.pop()
        bracket.add(VALUE)

    def word(self, bracket: Bracket, word: str) -> None:
        if word in CONSTANTS and not (self.keeps_tests and _is_test(bracket, word)):
            self.value(bracket)
            return
        if not bracket.parts and word in _SUBQUERIES:
            bracket.items = None
        bracket.add(word)

    def symbol(self, bracket: Bracket, symbol: str) -> None:
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
        self.complete(bracket)
        bracket.identity = self.number(bracket.parts, bracket.opening)
        if bracket.is_row and parent.rows is not None:
            cut_off = parent.rows and not bracket.parts and not bracket.closing
            if cut_off or bracket.identity in parent.rows:
                _without_loose_end(parent)
                return
            parent.rows.add(bracket.identity)
        else:
            parent.rows = None
        parent.parts.append(bracket)

    def complete(self, bracket: Bracket) -> None:
        if bracket.items is not None:
            self._end_item(bracket, bracket.items)
        bracket.holds_values = _holds_values(bracket.parts)
        if bracket.holds_values and (bracket.items is not None or bracket.is_row):
            bracket.parts = [LIST]

    def _end_item(self, bracket: Bracket, items: set[int]) -> None:
        """Take the last item of a list out again if it is empty or was there before."""
        begin = bracket.item
        first = begin + (bracket.parts[begin : begin + 1] == [","])
        identity = self.number(bracket.parts[first:])
        if first == len(bracket.parts) or identity in items:
            del bracket.parts[begin:]
        items.add(identity)
        bracket.item = len(bracket.parts)

    def number(self, parts: list[str | Bracket], opening: str = "") -> int:
        """The number of this content: the same for the same content, never 0."""
        content = (opening, *(part if isinstance(part, str) else part.identity for part in parts))
        return self._numbers.setdefault(content, len(self._numbers) + 1)


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


def _without_loose_end(bracket: Bracket) -> None:
    """Take away the comma behind the last row, where the row it announces is missing."""
    while bracket.is_row and bracket.before() == ",":
        bracket.parts.pop()
    while bracket.rows is not None and bracket.before() in _BETWEEN_ROWS:
        bracket.parts.pop()


def without_end(statement: Bracket) -> None:
    """Take away semicolons at the end, and what is loose before them."""
    length = -1
    while length != len(statement.parts):
        length = len(statement.parts)
        _without_loose_end(statement)
        if statement.before() == ";":
            statement.parts.pop()
