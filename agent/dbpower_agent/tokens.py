"""Cutting SQL into tokens, in one pass, whatever the text is: truncated, binary, a megabyte long.

One compiled expression does the work. Every repetition in it is possessive or ends where its alternative ends, so nothing is
ever tried twice and the time is linear. A literal or comment that is not closed runs to the end of the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Dialect = Literal["mysql", "postgres"]

WORD: Final = "word"
QUOTED: Final = "quoted"
STRING: Final = "string"
VALUE: Final = "value"
HINT: Final = "hint"
SYMBOL: Final = "symbol"


class Token(NamedTuple):
    """A piece of SQL. `kind` is one of the constants above; strings and values carry `?` in place of their text."""

    kind: str
    text: str


_NUMBER: Final = (
    r"(?P<value>(?:0[xX][0-9a-fA-F]++|0[bB][01]++|(?:{digits}\.?(?:{digits})?+|\.{digits})(?:[eE][+-]?{digits})?){end}"
    r"|\?\+(?=\s*[)\]])|\?)"
)
_SYMBOLS: Final = r"(?P<symbol><=>|->>|->|#>>|#>|<=|>=|<>|!=|:=|\|\||&&|<<|>>|::|@>|<@|@@|\S)"
_SPACE: Final = r"(?P<space>\s++)"

_MYSQL: Final = re.compile(
    "|".join(
        (
            _SPACE,
            r"(?P<hint>/\*repeat union(?: all)?\*/|/\*M?!\d*+|/\*\+|\*/)",
            r"(?P<comment>/\*.*?(?:\*/|\Z)|--(?=[\s\x00-\x1f]|\Z)[^\n]*+|\#[^\n]*+)",
            r"(?P<string>(?:[nNxXbB]|_[A-Za-z0-9]++\s*+)?(?:'(?:[^'\\]|\\.|'')*+(?:'|\\?\Z)|\"(?:[^\"\\]|\\.|\"\")*+(?:\"|\\?\Z)))",
            r"(?P<quoted>`(?:[^`]|``)*+(?:`|\Z))",
            # A name may begin with a digit, so what looks like a number is one only where no name goes on.
            _NUMBER.format(digits=r"\d++", end=r"(?![\w$])"),
            r"(?P<word>@{0,2}[\w$]++)",
            _SYMBOLS,
        )
    ),
    re.DOTALL,
)
_POSTGRES_STRING: Final = (
    r"(?P<string>[eE]'(?:[^'\\]|\\.|'')*+(?:'|\\?\Z)"
    r"|(?:[uU]&|[bBxXnN])?'(?:[^']|'')*+(?:'|\Z)"
    r"|\$(?P<tag>(?:[^\W\d]\w*+)?+)\$.*?(?:\$(?P=tag)\$|\Z))"
)
_POSTGRES: Final = re.compile(
    "|".join(
        (
            _SPACE,
            r"(?P<hint>/\*repeat union(?: all)?\*/)",
            r"(?P<nested>/\*)",
            r"(?P<comment>--[^\n]*+)",
            _POSTGRES_STRING,
            r"(?P<quoted>(?:[uU]&)?\"(?:[^\"]|\"\")*+(?:\"|\Z))",
            r"(?P<parameter>\$\d++)",
            # No name begins with a digit here, so a number ends wherever its digits do.
            _NUMBER.format(digits=r"\d++(?:_\d++)*+", end=""),
            r"(?P<word>[^\W\d][\w$]*+)",
            _SYMBOLS,
        )
    ),
    re.DOTALL,
)
_NESTING: Final = re.compile(r"/\*|\*/")


def scan(sql: str, dialect: Dialect) -> Iterator[Token]:
    """Yield the tokens of a statement, without spaces and comments."""
    expression = _MYSQL if dialect == "mysql" else _POSTGRES
    position = 0
    while position < len(sql):
        match = expression.match(sql, position)
        if match is None:
            # White space that is no white space to the expression, and nothing else, comes here.
            position += 1
            continue
        kind = match.lastgroup if match.lastgroup != "tag" else STRING
        position = match.end()
        if kind == "nested":
            position = _end_of_comment(sql, position)
        elif kind not in ("space", "comment"):
            yield _token(kind or SYMBOL, match[0])


def _token(kind: str, text: str) -> Token:
    if kind == STRING:
        return Token(STRING, "?")
    if kind in (VALUE, "parameter"):
        return Token(VALUE, "?")
    return Token(kind, text)


def _end_of_comment(sql: str, position: int) -> int:
    """Return where the comment ends that was opened before `position`; PostgreSQL's comments nest."""
    depth = 1
    for match in _NESTING.finditer(sql, position):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    return len(sql)
