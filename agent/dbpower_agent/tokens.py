"""Cuts SQL text into tokens the way the server's own lexer does, without ever failing and without keeping a literal.

Every repetition in the two patterns is possessive (`*+`, `++`), so nothing is ever tried twice: the time is linear in the
length of the text. What a text cut short leaves open (a string, a quoted name, a comment) reaches to its end.

Two settings of a server change where a string ends and cannot be read from the text: NO_BACKSLASH_ESCAPES (MySQL) and
standard_conforming_strings = off (PostgreSQL). The default of either server is assumed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Dialect = Literal["mysql", "postgres"]

REPEAT_UNION: Final = "/*repeat union*/"
REPEAT_UNION_ALL: Final = "/*repeat union all*/"
TRUNCATED: Final = "/*truncated*/"


# The kinds of tokens: plain numbers, because looking up an enumeration takes longer than cutting a token.
Token = tuple[int, str]

WORD: Final = 1  # A keyword or an unquoted name, lower case.
NAME: Final = 2  # A quoted name, with its quotes.
SYMBOL: Final = 3  # An operator, a bracket, a comma, the edge of a hint, or a note of our own.

A_VALUE: Final[Token] = (4, "?")
A_STRING: Final[Token] = (5, "?")  # Joins the string right before it.

# Characters of MySQL names; anything beyond ASCII may be part of a name in both dialects.
_W = r"[A-Za-z0-9_$\x80-\U0010ffff]"
_W0 = r"[A-Za-z_\x80-\U0010ffff]"

# The exponent may be cut off: "98765e" at the end of the text is a number, not a name.
_EXPONENT = rf"[eE](?:[+-]?[0-9]++|[+-]?\Z|(?!{_W}))"
# PostgreSQL gives an E back that begins a string.
_EXPONENT_OR_STRING = rf"(?![eE]'){_EXPONENT}"
_OPERATOR = r"(?:(?!--|/\*)[-+*/<>=~!@#%^&|`?])++"

_SHARED = r"""
  [\x00-\x20]*+
  (?: \Z
  | (?P<note>/\*(?:repeat\ union(?:\ all)?|truncated)\*/)
  | (?P<list>(?<=[(\[])\?\+(?=[)\]]|\Z))
"""

_MYSQL = re.compile(
    rf"""{_SHARED}
  | (?P<line>(?:--(?=[\x00-\x20]|\Z)|\#)[^\n]*+)
  | (?P<hint>/\*(?:[mM]?![0-9]{{5,6}}|[mM]?!|\+))
  | (?P<comment>/\*)
  | (?P<string>[xXbBnN]?'[^'\\]*+(?:(?:\\[\s\S]?|'')[^'\\]*+)*+'?|"[^"\\]*+(?:(?:\\[\s\S]?|"")[^"\\]*+)*+"?)
  | (?P<name>`[^`]*+(?:``[^`]*+)*+`)
  | (?P<open>`[\s\S]*+)
  | (?P<number>0[xX][0-9a-fA-F]*+(?!{_W})
    | 0[bB][01]*+(?!{_W})
    | [0-9]++\.[0-9]*+(?:{_EXPONENT})?+
    | \.[0-9]++(?:{_EXPONENT})?+
    | [0-9]++(?:{_EXPONENT}|(?!{_W})))
  | (?P<word>@{{0,2}}{_W}++)
  | (?P<end>\*/)
  | (?P<symbol><=>|->>|->|<<|>>|<=|>=|<>|!=|:=|\|\||&&|@@|[\s\S])
  )""",
    re.VERBOSE,
)

_POSTGRES = re.compile(
    rf"""{_SHARED}
  | (?P<line>--[^\n\r]*+)
  | (?P<comment>/\*)
  | (?P<string>[eE]'[^'\\]*+(?:(?:\\[\s\S]?|'')[^'\\]*+)*+'?|(?:[bBxXnN]|[uU]&)?'[^']*+(?:''[^']*+)*+'?)
  | (?P<dollar>\$(?:{_W0}[A-Za-z0-9_\x80-\U0010ffff]*+)?\$)
  | (?P<name>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*+")
  | (?P<open>"[\s\S]*+)
  | (?P<number>\$[0-9]++
    | 0[xX][0-9a-fA-F_]*+
    | 0[oO][0-7_]*+
    | 0[bB][01_]*+
    | [0-9][0-9_]*+(?:\.[0-9_]*+)?+(?:{_EXPONENT_OR_STRING})?+
    | \.[0-9][0-9_]*+(?:{_EXPONENT_OR_STRING})?+)
  | (?P<word>{_W0}{_W}*+)
  | (?P<operator>{_OPERATOR})
  | (?P<symbol>::|:=|[\s\S])
  )""",
    re.VERBOSE,
)

_MYSQL_NAME = re.compile(rf"{_W}*+")
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def scan(sql: str, dialect: Dialect) -> Iterator[Token]:
    """The tokens of `sql`; spaces and comments are left out, hints stay as their edges and the tokens between."""
    return _scan_mysql(sql) if dialect == "mysql" else _scan_postgres(sql)


def _scan_mysql(sql: str) -> Iterator[Token]:
    match, position, length, in_hint, after_name = _MYSQL.match, 0, len(sql), False, -1
    while position < length and (found := match(sql, position)):
        group, position = found.lastgroup, found.end()
        text = found[group] if group else ""
        if group in {"word", "name"}:
            after_name = position
            yield (WORD if group == "word" else NAME), text.lower()
        elif group == "number" and text[0] == "." and position - len(text) == after_name:
            # A dot directly behind a name: `.5` is no number here, but may begin a name such as `5min`.
            position = _end_of_name(sql, after_name + 1)
            member = _member(sql[after_name + 1 : position])
            after_name = -1 if member is A_VALUE else position
            yield SYMBOL, "."
            yield member
        elif group in {"string", "number", "list", "open"} or text == "?":
            yield A_STRING if group == "string" else A_VALUE
        elif group in {"symbol", "note"}:
            yield SYMBOL, text
        elif group == "comment":
            position = _after(sql, "*/", position)
        elif group == "hint":
            in_hint = True
            yield SYMBOL, text.lower()
        elif group == "end":
            # Outside a hint this is a product and the beginning of something else, as in `2*/* why */3`.
            yield SYMBOL, "*/" if in_hint else "*"
            position -= not in_hint
            in_hint = False


def _scan_postgres(sql: str) -> Iterator[Token]:
    match, position, length = _POSTGRES.match, 0, len(sql)
    while position < length and (found := match(sql, position)):
        group, position = found.lastgroup, found.end()
        text = found[group] if group else ""
        if group == "word":
            yield WORD, text.lower()
        elif group in {"number", "list", "open"}:
            yield A_VALUE
        elif group in {"symbol", "note"}:
            yield SYMBOL, text
        elif group == "operator":
            yield from _operators(text)
        elif group == "string":
            yield A_STRING
        elif group == "name":
            yield NAME, "u" + text[1:] if text[0] == "U" else text
        elif group == "dollar":
            position = _after(sql, text, position)
            yield A_STRING
        elif group == "comment":
            position = _after_nested_comment(sql, position)


def _operators(run: str) -> Iterator[Token]:
    """PostgreSQL takes the longest run, but `=-` ends before the sign unless a character of `~!@#%^&|`?` is in it.

    Question marks at the end are parameters, but for the operator `@?`: it is how our own output writes literals.
    """
    if run == "?+":  # No operator of PostgreSQL, and our own sign for a list.
        yield from (A_VALUE, (SYMBOL, "+"))
        return
    body = run.rstrip("?") or "?"
    if body == "@" and run != "@":
        body = "@?"
    if body == "?":
        yield A_VALUE
    else:
        operator = body if any(character in "~!@#%^&|`?" for character in body) else body.rstrip("+-") or body[0]
        yield SYMBOL, operator
        for sign in body[len(operator) :]:
            yield SYMBOL, sign
    yield from [A_VALUE] * (len(run) - len(body))


def _member(name: str) -> Token:
    """The name behind a dot. One of digits only, as in `shard.2024`, is a number anywhere else: hide it."""
    return A_VALUE if name.isascii() and name.isdigit() else (WORD, name.lower())


def _end_of_name(sql: str, position: int) -> int:
    name = _MYSQL_NAME.match(sql, position)
    return name.end() if name else position


def _after(sql: str, closing: str, position: int) -> int:
    found = sql.find(closing, position)
    return len(sql) if found < 0 else found + len(closing)


def _after_nested_comment(sql: str, position: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
