"""Fingerprints: the same text for statements that differ only in literals, spelling, comments and the length of lists.

MySQL follows the conventions of pt-fingerprint, so that an operator recognises the statement there: lower case, literals `?`,
`in(?+)`, `values(?+)`, `call name`, `use ?`, `asc` left out. Unlike there, spaces stand where the tokens want them and not
where somebody typed them. PostgreSQL's statements were normalised by the server; what it leaves (utility statements with
passwords) is treated alike, and parameters become `?`, since their numbers depend on the length of lists before them.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from dbpower_agent.tokens import HINT, QUOTED, STRING, SYMBOL, VALUE, WORD, Dialect, Token, scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A longer fingerprint is cut at a token and ends with the mark.
MAX_CHARACTERS: Final = 64 * 1024
CUT: Final = " ..."

_LIST: Final = Token(VALUE, "?+")
_COMMA: Final = Token(SYMBOL, ",")
_OPEN: Final = Token(SYMBOL, "(")
_CLOSE: Final = Token(SYMBOL, ")")
_CLOSING: Final = {"(": ")", "[": "]"}
_BEFORE_LIST: Final = frozenset(("in", "values", "value", "array"))
# A sign in front of a number belongs to the number behind one of these, and is an operator behind anything else.
_BEFORE_SIGN: Final = frozenset(
    (
        "select return limit offset between and or not in values value then else when set by interval like is "
        "where on having div mod xor case using default from to"
    ).split()
)
# Behind these a parenthesis opens an expression, behind any other word the arguments of a function or a list of columns.
_SPACE_BEFORE_PARENTHESIS: Final = frozenset(
    (
        "select from where and or not on as join exists any all some having by case when then else between "
        "like union except intersect with using into over set returning distinct xor div mod is only lateral"
    ).split()
)
_ADMINISTRATOR: Final = re.compile(r"administrator command: [A-Za-z ]{1,40}", re.IGNORECASE)


def fingerprint(sql: str, *, dialect: Dialect = "mysql") -> str:
    """Return the fingerprint of a statement. Never raises; what is not closed, or was cut off, is taken as a literal.

    Digits within names stay: `shard_17.orders` and `shard_18.orders` are two statements. At most MAX_CHARACTERS long.
    """
    if _ADMINISTRATOR.fullmatch(sql.strip()):
        return " ".join(sql.lower().split())
    tokens = list(_lowered(scan(sql, dialect), dialect))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    tokens = _whole_statement(tokens, dialect)
    tokens = list(_folded_rows(list(_folded_lists(_unsigned(tokens)))))
    if dialect == "mysql":
        tokens = _folded_limit(_without_asc(tokens))
    return _written(_folded_unions(tokens))


def fingerprint_id(fingerprint: str) -> str:
    """Return the id of a fingerprint: the last 16 hex digits of its MD5, in upper case, as pt-fingerprint makes it."""
    digest = hashlib.md5(fingerprint.encode("utf-8", "replace"), usedforsecurity=False)
    return digest.hexdigest()[-16:].upper()


def _lowered(tokens: Iterable[Token], dialect: Dialect) -> Iterator[Token]:
    """Put names into lower case (PostgreSQL's quoted ones mean what they say) and join strings that stand side by side."""
    previous = ""
    for token in tokens:
        kind, text = token
        if kind == STRING and previous == STRING:
            continue
        previous = kind
        if kind == WORD or (dialect == "mysql" and kind in (QUOTED, HINT)):
            text = text.lower()
            if dialect == "mysql" and text in ("null", "true", "false"):
                kind, text = VALUE, "?"
        elif kind == STRING:
            kind = VALUE
        yield Token(kind, text)


def _whole_statement(tokens: list[Token], dialect: Dialect) -> list[Token]:
    """Fold statements of which only the beginning matters: `call name(...)` and `use name`."""
    first = tokens[0].text if tokens else ""
    if first == "use" and len(tokens) > 1 and dialect == "mysql":
        return [tokens[0], Token(VALUE, "?")]
    if first == "call":
        end = next((index for index, token in enumerate(tokens) if token == _OPEN), len(tokens))
        return tokens[:end]
    return tokens


def _unsigned(tokens: list[Token]) -> list[Token]:
    """Take signs into the numbers behind them: -5 and 5 are both literals."""
    kept: list[Token] = []
    for token in tokens:
        if token.kind == VALUE:
            while kept and kept[-1].text in ("-", "+") and _is_sign(kept):
                kept.pop()
        kept.append(token)
    return kept


def _is_sign(kept: list[Token]) -> bool:
    if len(kept) == 1:
        return True
    before = kept[-2]
    if before.kind == SYMBOL:
        return before.text not in (")", "]")
    return before.kind == WORD and before.text in _BEFORE_SIGN


def _folded_lists(tokens: list[Token]) -> Iterator[Token]:
    """Fold brackets that hold literals only, behind IN, VALUES and ARRAY, to one `?+`; rows of values each by itself."""
    ends = _ends_of_literal_brackets(tokens)
    index = 0
    in_list = False
    while index < len(tokens):
        token = tokens[index]
        yield token
        index += 1
        in_list = (token.kind == WORD and token.text in _BEFORE_LIST) or (in_list and token == _COMMA)
        if in_list and index in ends:
            yield from (tokens[index], _LIST, tokens[ends[index] - 1])
            index = ends[index]


def _ends_of_literal_brackets(tokens: list[Token]) -> dict[int, int]:
    """Return, for each bracket that holds literals only (also in brackets of their own), the position behind it."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for position, (kind, text) in enumerate(tokens):
        if kind == SYMBOL and text in _CLOSING:
            opened.append(position)
        elif kind == SYMBOL and text in _CLOSING.values():
            if opened and _CLOSING[tokens[opened[-1]].text] == text and position > opened[-1] + 1:
                ends[opened.pop()] = position + 1
            else:
                opened.clear()
        elif kind != VALUE and text not in (",", "default"):
            opened.clear()
    return ends


def _folded_rows(tokens: list[Token]) -> Iterator[Token]:
    """Fold rows of values that are alike and follow each other to one."""
    ends = _ends_of_parentheses(tokens)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        yield token
        index += 1
        if token.kind != WORD or token.text not in ("values", "value") or index not in ends:
            continue
        row = tokens[index : ends[index]]
        yield from row
        index = ends[index]
        while tokens[index : index + 1] == [_COMMA] and index + 1 in ends:
            following = tokens[index + 1 : ends[index + 1]]
            if following != row:
                yield _COMMA
                yield from following
            row, index = following, ends[index + 1]


def _ends_of_parentheses(tokens: list[Token]) -> dict[int, int]:
    """Return the position behind each parenthesis that is closed, by the position at which it opens."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for position, token in enumerate(tokens):
        if token == _OPEN:
            opened.append(position)
        elif token == _CLOSE and opened:
            ends[opened.pop()] = position + 1
    return ends


def _without_asc(tokens: list[Token]) -> list[Token]:
    """Leave out `asc` behind ORDER BY, where it says what holds anyway."""
    kept: list[Token] = []
    ordered: list[bool] = [False]
    for token in tokens:
        if token == _OPEN:
            ordered.append(False)
        elif token == _CLOSE and len(ordered) > 1:
            ordered.pop()
        elif token.kind == WORD:
            if token.text == "by" and kept and kept[-1].text == "order":
                ordered[-1] = True
            elif token.text in ("limit", "union"):
                ordered[-1] = False
            elif token.text == "asc" and ordered[-1] and kept[-1].text not in (",", "by", "."):
                continue
        kept.append(token)
    return kept


def _folded_limit(tokens: list[Token]) -> list[Token]:
    """Fold `limit ?, ?` and `limit ? offset ?` to `limit ?`."""
    kept: list[Token] = []
    index = 0
    while index < len(tokens):
        kept.append(tokens[index])
        index += 1
        if tokens[index - 1] == Token(WORD, "limit") and index + 2 < len(tokens):
            value, between, second = tokens[index : index + 3]
            if value.kind == second.kind == VALUE and between.text in (",", "offset"):
                kept.append(value)
                index += 3
    return kept


def _folded_unions(tokens: list[Token]) -> list[Token]:
    """Fold selects that are united with themselves: `select ? union select ?` to `select ? /*repeat union*/`."""
    parts: list[list[Token]] = [[]]
    joints: list[list[Token]] = []
    depth = 0
    for token in tokens:
        depth += (token == _OPEN) - (token == _CLOSE)
        if not depth and token == Token(WORD, "union"):
            parts.append([])
            joints.append([token])
        elif joints and not parts[-1] and len(joints[-1]) == 1 and token.text == "all":
            joints[-1].append(token)
        else:
            parts[-1].append(token)
    kept = list(parts[0])
    last = parts[0]
    repeated = False
    for joint, part in zip(joints, parts[1:], strict=True):
        if part == last or (part and part[-1].kind == HINT and part[:-1] == last):
            if not repeated:
                kept.append(Token(HINT, f"/*repeat {' '.join(token.text for token in joint)}*/"))
            repeated = True
            continue
        kept += [*joint, *part]
        last, repeated = part, False
    return kept


def _written(tokens: list[Token]) -> str:
    pieces: list[str] = []
    length = 0
    before = Token(SYMBOL, "(")
    for token in tokens:
        piece = f" {token.text}" if pieces and _is_apart(before, token) else token.text
        length += len(piece)
        if length > MAX_CHARACTERS - len(CUT):
            return "".join(pieces) + CUT
        pieces.append(piece)
        before = token
    return "".join(pieces)


def _is_apart(before: Token, token: Token) -> bool:
    """Tell whether a space stands between two tokens."""
    if token.kind == SYMBOL and token.text in (",", ")", "]", ";", ".", "::"):
        return False
    if before.kind == SYMBOL and before.text in ("(", "[", ".", "::"):
        return False
    if token.kind == SYMBOL and token.text == "(" and before.kind == WORD:
        return before.text in _SPACE_BEFORE_PARENTHESIS
    return not (token.kind == SYMBOL and token.text in ("(", "[") and before.kind == QUOTED) and token.text != "["
