"""Statements as they are read best: broken into lines, and coloured. They are data, and every piece of them is escaped."""

from collections.abc import Iterator
from typing import Final

import sqlparse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from sqlparse import tokens
from sqlparse.exceptions import SQLParseError

# Longer ones are shown as they are: breaking them into lines takes too long, and reads no better.
_LONGEST_FORMATTED: Final = 6_000
_LONGEST_COLOURED: Final = 40_000
# The first that a token's kind is in names its class; colours are beside bold and italic letters, never alone.
_CLASSES: Final = (
    (tokens.Keyword, "keyword"),
    (tokens.Name.Builtin, "keyword"),
    (tokens.Name.Placeholder, "placeholder"),
    (tokens.Comment, "comment"),
    (tokens.Literal, "literal"),
)


def formatted(text: str) -> str:
    """Return the statement in lines, with nothing but white space changed."""
    if len(text) > _LONGEST_FORMATTED:
        return text
    try:
        lines: str = sqlparse.format(text, reindent=True, indent_width=2)
    except (SQLParseError, RecursionError):
        return text
    # What it takes for a statement's end or a comment must not cost a character of what ran.
    return lines if "".join(lines.split()) == "".join(text.split()) else text


def highlighted(text: str) -> SafeString:
    """Return the text with its parts told apart."""
    if len(text) > _LONGEST_COLOURED:
        return format_html("{}", text)
    return format_html_join("", "{}", ((piece,) for piece in _pieces(text)))


def _pieces(text: str) -> Iterator[SafeString]:
    for kind, value in sqlparse.lexer.tokenize(text):  # type: ignore[no-untyped-call]
        name = next((name for parent, name in _CLASSES if kind in parent), "")
        # Placeholders of the fingerprint, as in `in (?+)`, are none of those that the lexer knows.
        if name:
            yield format_html('<span class="dbpower-sql-{}">{}</span>', name, value)
        else:
            yield format_html("{}", value)
