"""Texts of statements that did not come from our agent: literals must not be stored, whoever sends them."""

import hashlib
import re
from typing import Final

from collectors.domain.sources import Engine

# Each alternative starts with another character and ends by itself or at the end of the text, so one pass is linear.
_LITERALS: Final[dict[Engine, re.Pattern[str]]] = {
    Engine.MYSQL: re.compile(
        r"""
          (?P<name>`(?:[^`]|``)*`)              # a quotation mark in a name begins nothing
        | '(?:[^'\\]|\\.|'')*(?:'|\\?\Z)       # 'text', with '' and backslash escapes; an unclosed one runs to the end
        | "(?:[^"\\]|\\.|"")*(?:"|\\?\Z)
        | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)  # dollar quotes are PostgreSQL's, but who knows where a text came from
        | (?P<comment>/\*.*?(?:\*/|\Z) | --(?=[\s\0-\x1f]|\Z)[^\n]* | \#[^\n]*)  # comments may hold anything
        | (?<![\w$`.])\.?\d[\w.]*              # numbers, not digits inside of names nor $1
        """,
        re.VERBOSE | re.DOTALL,
    ),
    # A backslash escapes in E'text' only, # begins operators, and comments nest: one with another in it runs to the end.
    Engine.POSTGRES: re.compile(
        r"""
          (?<![\w$])[Ee]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)
        | '(?:[^']|'')*(?:'|\Z)
        | "(?:[^"]|"")*(?:"|\Z)
        | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
        | (?P<comment>/\*(?:[^*/]|\*(?!/)|/(?!\*))*(?:\*/|/\*.*\Z|\Z) | --[^\n]*)
        | (?<![\w$`.])\.?\d[\w.]*
        """,
        re.VERBOSE | re.DOTALL,
    ),
}
# In PostgreSQL's expressions quotation marks hold names, and # begins operators.
_LITERAL_OF_EXPRESSION: Final = re.compile(
    r"""
      (?P<name>"(?:[^"]|"")*"?)
    | '(?:[^'\\]|\\.|'')*(?:'|\\?\Z)
    | \$((?:[A-Za-z_]\w*)?)\$.*?(?:\$\2\$|\Z)
    | (?<![\w$`.])\.?\d[\w.]*
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACE: Final = re.compile(r"\s+")


def mask_literals(text: str, *, engine: Engine) -> str:
    """Return the statement with texts and numbers replaced by `?`, comments left out and white space folded.

    Where a literal ends depends on the engine. The agent's fingerprint does more: it also makes statements alike that differ
    only in spelling. This one only keeps literals out.
    """

    def replaced(match: re.Match[str]) -> str:
        found = match.groupdict()
        return " " if found["comment"] is not None else found.get("name") or "?"

    return _SPACE.sub(" ", _LITERALS[engine].sub(replaced, text)).strip()


def mask_expression(text: str) -> str:
    """Return an expression of a plan of PostgreSQL with texts and numbers replaced by `?`; quoted names stay."""
    return _LITERAL_OF_EXPRESSION.sub(lambda match: match["name"] or "?", text)


def fingerprint_id(fingerprint: str) -> str:
    """Return the id of a normalised statement: the last 16 hex digits of its MD5, upper case, as the agent computes it."""
    return hashlib.md5(fingerprint.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[-16:].upper()
