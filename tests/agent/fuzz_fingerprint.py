"""Fingerprints of a great many statements, whole, cut off and broken: `python fuzz_fingerprint.py --inputs N --seed N`.

Exits with 1 at the first exception, literal left over, or fingerprint that is not its own; the seed repeats the run.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "agent")]

from dbpower_agent.fingerprint import MAX_CHARACTERS, fingerprint  # noqa: E402
from dbpower_agent.tokens import Dialect  # noqa: E402
from tests.agent.sql_spellings import CANARY, DIALECTS, LISTS, PIECES, WORDS, Statement  # noqa: E402

QUOTED_NAME = {"mysql": re.compile(r"`[^`]*`"), "postgres": re.compile(r'"[^"]*"')}
NUMBER = re.compile(r"(?<![\w$.@!\x80-\U0010ffff])[0-9]+(?![\w$\x80-\U0010ffff])", re.ASCII)
NAME = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*\Z", re.ASCII)
# Numbers that end in letters: what follows them is no part of a name.
NUMERAL = re.compile(
    r"(?<![\w$\x80-\U0010ffff])(0(x[\da-f_]*|o[0-7_]*|b[01_]*)|(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)e[+-]?\d[\d_]*)\Z",
    re.ASCII | re.IGNORECASE,
)
HINT = re.compile(r"/\*([mM]?!|\+)")
PROGRESS_EVERY = 50_000


class Failure(Exception):
    """A property that does not hold, with the input that shows it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    chance, started = random.Random(options.seed), time.monotonic()
    for number in range(1, options.inputs + 1):
        dialect = chance.choice(DIALECTS)
        sql = ""
        try:
            statement = made_up(chance, dialect)
            sql = statement.spell(chance.randrange)
            check_whole(statement, sql, chance)
            sql = broken(sql, chance) if chance.random() < 0.6 else sql[: chance.randrange(len(sql) + 1)]
            check_any(sql, dialect)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are looking for.
            print(f"seed {options.seed}, input {number}, {dialect}: {error!r}\n{sql!r}", file=sys.stderr)
            return 1
        if number % PROGRESS_EVERY == 0 or number == options.inputs:
            print(f"{number:,} of {options.inputs:,} inputs, {time.monotonic() - started:.0f} s", flush=True)
    print(f"no exception, no literal left over (seed {options.seed})")
    return 0


def made_up(chance: random.Random, dialect: Dialect) -> Statement:
    words = [*WORDS, *LISTS]
    atoms: list[str] = []
    for _ in range(chance.randint(1, 4)):
        atoms += [chance.choice(words), *chance.choice([["and", "?"], ["=", "?"], []]), ","]
    return Statement(atoms[:-1], dialect)


def broken(sql: str, chance: random.Random) -> str:
    """Put in, take out and double a few pieces anywhere."""
    for _ in range(chance.randint(1, 6)):
        begin = chance.randrange(len(sql) + 1)
        end = min(len(sql), begin + chance.randrange(6))
        piece = chance.choice([chance.choice(PIECES), "", sql[begin:end] * 2, chr(chance.randrange(0x110000))])
        sql = sql[:begin] + piece + sql[end:]
    return sql


def check_whole(statement: Statement, sql: str, chance: random.Random) -> None:
    once = fingerprint(sql, dialect=statement.dialect)
    if CANARY.search(once):
        raise Failure(f"a literal is left: {once!r}")
    if fingerprint(statement.spell(chance.randrange), dialect=statement.dialect) != once:
        raise Failure(f"another spelling has another fingerprint than {once!r}")
    cut = fingerprint(sql[: chance.randrange(len(sql) + 1)], dialect=statement.dialect)
    if CANARY.search(cut):
        raise Failure(f"a literal is left of a text cut off: {cut!r}")
    for own in (once, cut):
        if fingerprint(own, dialect=statement.dialect) != own:
            raise Failure(f"not its own fingerprint: {own!r}")


def check_any(sql: str, dialect: Dialect) -> None:
    once = fingerprint(sql, dialect=dialect)
    if len(once) > MAX_CHARACTERS:
        raise Failure(f"{len(once)} characters")
    bare = QUOTED_NAME[dialect].sub("", once)
    if "'" in bare or (dialect == "mysql" and '"' in bare) or NUMBER.search(bare):
        raise Failure(f"a literal is left: {once!r}")
    if "qz" in once.lower() and "qz" not in outside(sql, dialect).lower():
        raise Failure(f"the inside of a literal or a comment is left: {once!r}")


def outside(sql: str, dialect: Dialect) -> str:
    """What stands outside literals and comments, told one character at a time: a second opinion on the scanner."""
    kept, position, in_hint = "", 0, False
    while position < len(sql):
        if dialect == "mysql" and HINT.match(sql, position):
            in_hint = True
        elif in_hint and sql.startswith("*/", position):  # What follows may well look like `/*`.
            kept, position, in_hint = kept + " ", position + 2, False
            continue
        end = hidden_until(sql, position, dialect, kept)
        kept += " " if end > position else sql[position]
        position = max(end, position + 1)
        # A quoted name may well hold what looks like a literal. To PostgreSQL a backquote is an operator.
        if kept[-1] == ("`" if dialect == "mysql" else '"'):
            end = until_quote(sql, position, kept[-1], backslash=False)
            kept, position = kept + sql[position:end], end
    return kept


def hidden_until(sql: str, position: int, dialect: Dialect, kept: str) -> int:
    """Where the literal or comment ends that begins at `position`; `position` itself if there is none."""
    mysql, rest = dialect == "mysql", sql[position:]
    if rest[0] == "'" or (mysql and rest[0] == '"'):
        escape = re.search(r"(?<![\w$\x80-\U0010ffff])e\Z", kept, re.ASCII | re.IGNORECASE)
        return until_quote(sql, position + 1, rest[0], backslash=mysql or bool(escape))
    if re.match(r"#|--([\x00- ]|\Z)" if mysql else "--", rest):
        return position + len(re.match(r"[^\n]*" if mysql else r"[^\n\r]*", rest).group())  # type: ignore[union-attr]
    if rest.startswith("/*") and not (mysql and HINT.match(rest)):
        return until_comment_ends(sql, position + 2, nests=not mysql)
    tag = None if mysql else re.match(r"\$([A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$", rest, re.ASCII)
    if tag and (NUMERAL.search(kept) or not NAME.search(kept)):
        end = rest.find(tag.group(), tag.end())
        return len(sql) if end < 0 else position + end + tag.end()
    return position


def until_quote(sql: str, position: int, quote: str, *, backslash: bool) -> int:
    while position < len(sql):
        if backslash and sql[position] == "\\":
            position += 2
        elif sql[position] != quote:
            position += 1
        elif sql[position + 1 : position + 2] == quote:
            position += 2
        else:
            return position + 1
    return len(sql)


def until_comment_ends(sql: str, position: int, *, nests: bool) -> int:
    depth = 1
    while position < len(sql) and depth:
        pair = sql[position : position + 2]
        depth += (pair == "/*" and nests) - (pair == "*/")
        position += 2 if pair == "*/" or (pair == "/*" and nests) else 1
    return min(position, len(sql))


if __name__ == "__main__":
    sys.exit(main())
