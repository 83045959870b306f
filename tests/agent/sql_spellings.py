"""Statements made up for tests of the fingerprint, and the many ways to write each.

A statement is a list of atoms. Literals carry the digit 7, 8 or 9 or the letters `qz`, which nothing else does: neither
may be seen in a fingerprint.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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


# What broken SQL is made of.
PIECES = [
    *r"""' " ` \ ( ) [ ] , ; . : :: ? ?+ - -- + /* */ /*! /*!50000 /*+ # @ @@ $ $a$ $$ $1 = ! | & * / % ~ < > 5 .5 5. 1e 1e-
    0x 0xF 5th a b in values value row array select union all order by asc limit offset null not is call use _utf8 x E U&
    default /*truncated*/""".split(),
    *("/*repeat union*/", " ", "\n", "administrator command: "),
]
