"""What holds for the fingerprints of all statements, on statements made up for the purpose.

A made-up statement is a list of atoms. Each atom can be written in many ways (`Spelling`) that mean the same, and has one
plain form; statements with different plain forms must not share a fingerprint. Literals carry the digit 7, 8 or 9 or the
letters `qz`, which nothing else does: neither may be seen again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbpower_agent.fingerprint import MAX_CHARACTERS, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.tokens import Dialect

DIALECTS: list[Dialect] = ["mysql", "postgres"]
CANARY = re.compile("[789]|qz", re.IGNORECASE)

STRINGS: dict[Dialect, list[str]] = {
    "mysql": [
        r"'qz'",
        r"'qz''qz'",
        r"'qz\'qz'",
        r"'\\'",
        '"qz"',
        '"qz""--"',
        "x'79'",
        "_utf16 'qz'",
        "N'qz'",
        "'qz' \"qz\"",
    ],
    "postgres": [
        r"'qz'",
        r"'qz''qz'",
        r"'qz\'",
        r"E'qz\'qz'",
        "$$qz$$",
        "$a$qz'$b$qz$$$a$",
        "U&'qz'",
        "x'79'",
        "B'1'",
        "$7",
    ],
}
NUMBERS = ["7", "-7", "+ 8", "789.5", ".7", "7.", "7e8", "-7.8E-9", "7e+1", "0x7F", "0b1"]
SPACES: dict[Dialect, list[str]] = {
    "mysql": [" ", "\n", "\t ", "/* qz 'qz */", "-- qz ' 7\n", "--\n", '# "qz\n', "/**/"],
    "postgres": [" ", "\n", "\t ", "/* qz 'qz */", "-- qz ' 7\n", "--qz\n", "/* /* qz */ 7 */", "/**/"],
}
WORDS = [
    "select",
    "from",
    "where",
    "and",
    "or",
    "name",
    "t1",
    "shop.orders",
    "count(*)",
    "is",
    "like",
    "a = b",
    "set",
    "!=",
]
# What each kind of list looks like around its values, and whether its values are rows.
LISTS = {"a in": ("(", ")", False), "into t values": ("", "", True), "(a, b) in": ("(", ")", True)}


class Statement:
    """The atoms of a statement: a word, `?` for a value, or a list with its number of values."""

    def __init__(self, atoms: list[str], dialect: Dialect) -> None:
        self.atoms, self.dialect = atoms, dialect

    def plain(self) -> str:
        return " ".join(self.atoms)

    def spell(self, pick: Callable[[int], int]) -> str:
        """Write the statement in one of many ways; `pick(n)` chooses one of n."""
        return self.space(pick).join(self.atom(atom, pick) for atom in self.atoms) + [";", "", " ;\n"][pick(3)]

    def atom(self, atom: str, pick: Callable[[int], int]) -> str:
        if atom == "?":
            return self.literal(pick)
        if atom in LISTS:
            return self.case(atom, pick) + self.space(pick) + self.values(*LISTS[atom], pick)
        return self.space(pick).join(self.case(word, pick) for word in atom.split(" "))

    def values(self, opening: str, closing: str, rows: bool, pick: Callable[[int], int]) -> str:
        width = 2 if rows else 1
        items = []
        for _ in range(1 + pick(4)):
            literals = (self.space(pick) + "," + self.space(pick)).join(self.literal(pick) for _ in range(width))
            items.append(f"({literals}{self.space(pick)})" if rows else literals)
        return opening + self.space(pick).join([*(item + "," for item in items[:-1]), items[-1]]) + closing

    def literal(self, pick: Callable[[int], int]) -> str:
        choices = [*STRINGS[self.dialect], *NUMBERS]
        return choices[pick(len(choices))]

    def space(self, pick: Callable[[int], int]) -> str:
        choices = SPACES[self.dialect]
        return " " + "".join(choices[pick(len(choices))] for _ in range(pick(3)))

    def case(self, word: str, pick: Callable[[int], int]) -> str:
        return [word.lower(), word.upper(), word.title()][pick(3)]


def statements(dialect: Dialect) -> st.SearchStrategy[Statement]:
    """Statements in which every value stands between words, so that none joins the next or is subtracted from it."""
    phrase = st.tuples(
        st.sampled_from([*WORDS, *LISTS]), st.sampled_from([["and", "?"], ["= ?".replace(" ?", ""), "?"], []])
    )
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


PIECES = st.sampled_from(
    r"""' " ` \ ( ) [ ] , ; . : :: ? ?+ - -- + /* */ /*! /*!50000 /*+ # @ @@ $ $a$ $$ $1 = ! | & * / % ~ < > 5 .5 5. 1e 1e- 0x
    0xF 5th a b in values value row array select union all order by asc limit offset null not is call use _utf8 x E U& default
    /*truncated*/ /*repeat\ union*/""".split()
).map(lambda piece: piece.replace("/*repeat\\", "/*repeat union*/"))  # fmt: skip
BROKEN = st.one_of(st.text(), st.lists(PIECES | st.just(" ") | st.just("\n") | st.characters(codec=None)).map("".join))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(text=BROKEN)
def test_any_text_has_a_fingerprint_without_quotes_that_is_a_fixed_point(dialect: Dialect, text: str) -> None:
    once = fingerprint(text, dialect=dialect)
    assert len(once) <= MAX_CHARACTERS
    assert "'" not in re.sub(r'"[^"]*"|`[^`]*`', "", once)
    assert fingerprint(once, dialect=dialect) == once
