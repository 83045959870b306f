"""Fingerprints: one text for all calls of a statement, whatever their literals, spacing, comments and list lengths.

MySQL follows the conventions of pt-fingerprint and PMM, so that an operator recognises the statement there: lower case,
`?` for literals, `in(?+)`, `values(?+)`, `call name`, `use ?`, `limit ?`, no ASC. Unlike there, spaces stand where the
tokens want them and not where somebody typed them. PostgreSQL has normalised most texts itself; what it leaves (utility
statements, with passwords) is treated the same way, and its parameters become `?`: their numbers depend on list lengths.

Digits within names stay: `shard_17` and `shard_18` are two tables. The fingerprint of a statement's fingerprint is itself.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from dbpower_agent.folding import LIST, VALUE, Bracket, ends_value, fold, is_name
from dbpower_agent.tokens import TRUNCATED, Dialect, scan

if TYPE_CHECKING:
    from collections.abc import Iterator

# A longer fingerprint ends, between two tokens, with a space and TRUNCATED, and is at most this long with both.
MAX_CHARACTERS: Final = 64 * 1024

_ADMINISTRATOR: Final = re.compile(r"administrator command: [A-Za-z][A-Za-z ]{0,39}")
_STICKS_TO_THE_LEFT: Final = frozenset({",", ")", "]", ";"})
_STICKS_TO_THE_RIGHT: Final = frozenset({"(", "[", "::"})
_BEFORE_LIST: Final = frozenset({"in", "value", "values", "row"})
# The name behind one of these may have its columns in parentheses, which are not the arguments of a function.
_BEFORE_TABLE: Final = frozenset({"exists", "into", "references", "table"})


def fingerprint(sql: str, *, dialect: Dialect = "mysql") -> str:
    """Return the fingerprint of a statement: never an exception, never a literal, and no longer than MAX_CHARACTERS."""
    if dialect == "mysql" and _ADMINISTRATOR.fullmatch(plain := sql.strip("; \t\r\n")):
        return " ".join(plain.split())
    return _write(_pieces(fold(scan(sql, dialect), dialect)))


def fingerprint_id(fingerprint: str) -> str:
    """Return the last 16 hex digits of the MD5 of a fingerprint, in upper case, as pt-fingerprint and PMM do."""
    digest = hashlib.md5(fingerprint.encode("utf-8", errors="replace"), usedforsecurity=False)
    return digest.hexdigest()[16:].upper()


def _pieces(statement: Bracket) -> Iterator[str]:
    """Flatten the tree. A folded list is one piece, since its text means something else when cut."""
    path = [(iter(statement.parts), "")]
    while path:
        parts, closing = path[-1]
        for part in parts:
            if isinstance(part, str):
                yield part
            elif part.parts == [LIST]:
                yield f"{part.opening}{LIST}{part.closing}"
            else:
                yield part.opening
                path.append((iter(part.parts), part.closing))
                break
        else:
            path.pop()
            if closing:
                yield closing


def _write(pieces: Iterator[str]) -> str:
    written: list[str] = []
    length, earlier, before, names_table = 0, "", "", False
    for piece in pieces:
        spaced = f" {piece}" if before and _is_apart(piece, before, earlier, names_table=names_table) else piece
        length += len(spaced)
        if length > MAX_CHARACTERS:
            return _cut(written)
        written.append(spaced)
        if piece != ".":
            names_table = (before in _BEFORE_TABLE or (before == "." and names_table)) and ends_value(piece)
        earlier, before = before, piece
    return "".join(written)


def _cut(written: list[str]) -> str:
    length = sum(map(len, written))
    while length + len(TRUNCATED) + 1 > MAX_CHARACTERS:
        length -= len(written.pop())
    # No space behind an opening bracket or a dot: that is how the text would be written again.
    apart = written and written[-1].strip() not in {*_STICKS_TO_THE_RIGHT, "."}
    return "".join((*written, " " if apart else "", TRUNCATED))


def _is_apart(piece: str, before: str, earlier: str, *, names_table: bool) -> bool:
    """Whether a space stands between `before` and `piece`."""
    if piece in _STICKS_TO_THE_LEFT or before in _STICKS_TO_THE_RIGHT:
        return False
    if before == ".":
        # `5th` is a name behind `table.`, but would be read as `.5` and `th` behind anything else.
        return piece[0].isdigit() and not is_name(earlier)
    if before == ":":
        return not ends_value(piece)
    if piece == "::":
        return before.endswith(":")
    if piece.startswith("(" + LIST):
        return before not in _BEFORE_LIST
    if piece == "(":
        return names_table or not ends_value(before) or before in {VALUE, ")", "]"}
    if piece == ".":
        return not (is_name(before) or ends_value(before))
    return not (piece.startswith("[") and ends_value(before))
