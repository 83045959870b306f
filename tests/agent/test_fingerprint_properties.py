"""What holds for the fingerprints of all statements, on statements made up for the purpose.

Statements with the same atoms must share a fingerprint however they are written; those with different atoms must not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbpower_agent.fingerprint import MAX_CHARACTERS, fingerprint
from tests.agent.sql_spellings import CANARY, DIALECTS, LISTS, PIECES, WORDS, Statement

if TYPE_CHECKING:
    from dbpower_agent.tokens import Dialect


def statements(dialect: Dialect) -> st.SearchStrategy[Statement]:
    """Statements in which every value stands between words, so that none joins the next or is subtracted from it."""
    phrase = st.tuples(st.sampled_from([*WORDS, *LISTS]), st.sampled_from([["and", "?"], ["=", "?"], []]))
    return st.lists(phrase, min_size=1, max_size=6).map(
        lambda phrases: Statement([atom for word, value in phrases for atom in (word, *value, ",")][:-1], dialect)
    )


@st.composite
def two_spellings(draw: st.DrawFn, dialect: Dialect) -> tuple[str, str]:
    statement = draw(statements(dialect))
    return spelled(draw, statement), spelled(draw, statement)


def spelled(draw: st.DrawFn, statement: Statement) -> str:
    return statement.spell(lambda count: draw(st.integers(0, count - 1)))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_spelling_literals_and_lengths_change_nothing(dialect: Dialect, data: st.DataObject) -> None:
    one, other = data.draw(two_spellings(dialect))
    assert fingerprint(one, dialect=dialect) == fingerprint(other, dialect=dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_statements_with_different_plain_forms_have_different_fingerprints(
    dialect: Dialect, data: st.DataObject
) -> None:
    one, other = data.draw(statements(dialect)), data.draw(statements(dialect))
    same = fingerprint(one.spell(lambda _: 0), dialect=dialect) == fingerprint(
        other.spell(lambda _: 0), dialect=dialect
    )
    assert same == (one.plain() == other.plain())


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_no_literal_is_left_wherever_the_text_is_cut_off(dialect: Dialect, data: st.DataObject) -> None:
    sql, _ = data.draw(two_spellings(dialect))
    for end in range(len(sql) + 1):
        assert not CANARY.search(fingerprint(sql[:end], dialect=dialect)), sql[:end]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_a_fingerprint_is_a_fixed_point_wherever_the_text_is_cut_off(dialect: Dialect, data: st.DataObject) -> None:
    sql, _ = data.draw(two_spellings(dialect))
    once = fingerprint(sql[: data.draw(st.integers(0, len(sql)))], dialect=dialect)
    assert fingerprint(once, dialect=dialect) == once


BROKEN = st.one_of(st.text(), st.lists(st.sampled_from(PIECES) | st.characters()).map("".join))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(text=BROKEN)
def test_any_text_has_a_fingerprint_without_quotes(dialect: Dialect, text: str) -> None:
    once = fingerprint(text, dialect=dialect)
    assert len(once) <= MAX_CHARACTERS
    assert "'" not in re.sub(r'"[^"]*"|`[^`]*`', "", once)
