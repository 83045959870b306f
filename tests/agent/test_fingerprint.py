"""What the fingerprint of a statement looks like, case by case."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dbpower_agent.fingerprint import MAX_CHARACTERS, fingerprint, fingerprint_id
from dbpower_agent.tokens import TRUNCATED

if TYPE_CHECKING:
    from dbpower_agent.tokens import Dialect

MYSQL = {
    # Letter case, space and comments.
    "SELECT  Name\n\tFROM Users": "select name from users",
    "SELECT `Name` FROM `My Users`": "select `name` from `my users`",
    "select a -- why\n, b # why\n, c /* why */ from t": "select a, b, c from t",
    "select/**/a/*/*/from t": "select a from t",
    "select 2*/* twice */3": "select ? * ?",
    "select a from t where b='-- no comment' and c='/*'": "select a from t where b = ? and c = ?",
    "select a from t; ": "select a from t",
    ";;select 1;;": "select ?",
    "select 1; select 2;": "select ?; select ?",
    "": "",
    "-- nothing else": "",
    # Hints stay, and what is in them is folded.
    "select /*!40001 SQL_NO_CACHE */ * from t": "select /*!40001 sql_no_cache */ * from t",
    "select/*!SQL_NO_CACHE*/*from t": "select /*! sql_no_cache */ * from t",
    "/*M!100100 select */ 1": "/*m!100100 select */ ?",
    "select /*+ MAX_EXECUTION_TIME(1000) */ a from t": "select /*+ max_execution_time(?) */ a from t",
    "select /*+ SET_VAR(x = 'secret') */ a from t": "select /*+ set_var(x = ?) */ a from t",
    # Numbers.
    "select 1, 1.5, .5, 5., 1e5, 1.e-5, 0x1F, 0b101": "select ?, ?, ?, ?, ?, ?, ?, ?",
    "select -1, + 1, - -1, a-1, a - -1, (-1), a = -.5": "select ?, ?, ?, a - ?, a - ?, (?), a = ?",
    "select -a, a*-b": "select - a, a * - b",
    "select --5": "select ?",
    "select a--5": "select a - ?",
    "select 1abc, a1, `1`, t.2nd, 1_2 from db1.5min": "select 1abc, a1, `1`, t.2nd, 1_2 from db1.5min",
    "select a from shard.2024": "select a from shard.?",
    "select a from t where id=5and b=6": "select a from t where id = 5and b = ?",
    # Strings and what stands in their place.
    r"select 'it''s', 'it\'s', '\\', '', 'a' 'b'": "select ?, ?, ?, ?, ?",
    "select 'a'\n\t'b' -- still\n'c'": "select ?",
    'select "a", "say ""x""", "\\""': "select ?, ?, ?",
    "select x'41', B'01', n'x', _utf8'x', _latin1 'x', _binary 0x41": "select ?, ?, ?, ?, ?, ?",
    "select _other 'x'": "select _other ?",
    "select null, TRUE, False, a is not null, t.null": "select ?, ?, ?, a is not ?, t.null",
    "select date '2020-01-01', now() - interval 5 day": "select date ?, now() - interval ? day",
    "select ?, :name, @a, @@global.b from t where c=?": "select ?, :name, @a, @@global.b from t where c = ?",
    "set @a := 5, @'b' = 'c'": "set @a := ?, @ ? = ?",
    "select a->'$.x', a->>'$.y' from t": "select a -> ?, a ->> ? from t",
    "select \"a\".\"b\"": "select ?.?",
    # Lists.
    "select a from t where b in (1, 'x' ,-3)": "select a from t where b in(?+)",
    "select a from t where b not in(1)": "select a from t where b not in(?+)",
    "select a from t where (b, c) in ((1, 2), (3, 4))": "select a from t where (b, c) in(?+)",
    "select a from t where b in (1, c, 2, c + 1, 3)": "select a from t where b in (?, c, c + ?)",
    "select a from t where b in (select c, c from u)": "select a from t where b in (select c, c from u)",
    "select a in ()": "select a in ()",
    "select f(1, 2, 3), coalesce(a, 0)": "select f(?, ?, ?), coalesce(a, ?)",
    "insert into t (a, b) values (1, 2)": "insert into t (a, b) values(?+)",
    "insert into `d`.`t`(`a`)values(1),(2) , (3)": "insert into `d`.`t` (`a`) values(?+)",
    "insert into t values (1, now()), (2, now())": "insert into t values(?, now())",
    "insert into t values (1), (now()), (2), (now())": "insert into t values(?+), (now())",
    "insert into t () values (), ()": "insert into t () values()",
    "insert into t values ('(),', '\\')')": "insert into t values(?+)",
    "insert into t value (1) on duplicate key update a = values(a), b = values(a)": (
        "insert into t value(?+) on duplicate key update a = values(a), b = values(a)"
    ),
    "values row(1, 2), row(3, 4)": "values row(?+)",
    # Statements with a rule of their own.
    "CALL Shop.Refresh(1, 'x')": "call shop.refresh",
    "call refresh;": "call refresh",
    "USE `Shop`;": "use ?",
    "administrator command: Init DB": "administrator command: Init DB",
    "administrator command: 'secret'": "administrator command :?",
    "select a from t order by a ASC, b desc, c asc limit 10": "select a from t order by a, b desc, c limit ?",
    "select a from t limit 10, 20": "select a from t limit ?",
    "select a from t limit 10 offset 20": "select a from t limit ?",
    "select 1 union select 2 union select 3": "select ? /*repeat union*/",
    "select a union all select a union all select a order by a": "select a /*repeat union all*/ order by a",
    "select a union select a union all select a": "select a /*repeat union*/ union all select a",
    "select a union select b union select b": "select a union select b /*repeat union*/",
    "select * from (select 1 union select 2) x": "select * from (select ? /*repeat union*/) x",
    "set password for 'u'@'h' = 'secret'": "set password for ? @ ? = ?",
    "load data infile '/tmp/x' into table t": "load data infile ? into table t",
    "prepare s from 'select 1'": "prepare s from ?",
    # Text cut off.
    "select a from t where b = 'sec": "select a from t where b = ?",
    "select a from t where b = 'it''": "select a from t where b = ?",
    "select a from t where b = '\\": "select a from t where b = ?",
    "select a from t where b = 98765e": "select a from t where b = ?",
    "select a from t where b = 98765e-": "select a from t where b = ?",
    "select a from t where b = 0x": "select a from t where b = ?",
    "select a from t where b in (1, 2, 'sec": "select a from t where b in(?+",
    "insert into t values (1, 2), (3, 'sec": "insert into t values(?+)",
    "insert into t values (1, 2), (": "insert into t values(?+)",
    "select a from t /* sec": "select a from t",
    "select a from t where `sec": "select a from t where ?",
    "call refresh('sec": "call refresh",
}  # fmt: skip

POSTGRES = {
    'SELECT a, "B" FROM T WHERE id = $1 -- why': 'select a, "B" from t where id = ?',
    "select /* a /* b */ c */ 1 /* open /* twice */": "select ?",
    "select 1--no sign\n, --2\n2": "select ?, ?",
    "select a in ($1, $2), a in ($1 /*, ... */), a in ($7)": "select a in(?+), a in(?+), a in(?+)",
    "select a in ($1::int, $2::int)": "select a in (?::int)",
    "select a = any(array[1,2,3]), array[[1,2],[3,4]]": "select a = any(array[?+]), array[?+]",
    "select array[$1 /*, ... */], array[a, b], '{1,2}'::int[]": "select array[?+], array[a, b], ?::int[]",
    "insert into t (a) values ($1), ($2)": "insert into t (a) values(?+)",
    "select a in (values (1), (2))": "select a in (values(?+))",
    r"select 'C:\', E'it\'s', e'it''s', U&'\0041', B'1', x'1F'": "select ?, ?, ?, ?, ?, ?",
    "select $$it's$$, $a$ $b$ $$ $a$, $é$x$é$": "select ?, ?, ?",
    "select 'a'\n'b'": "select ?",
    'select U&"D\\0061t", "a""b", "A".b': 'select u&"D\\0061t", "a""b", "A".b',
    "select 1::int, 'x'::text, a::text": "select ?::int, ?::text, a::text",
    "select a[1:2], a[-1]": "select a[? :?], a[?]",
    "select a->>'b', a#>'{b}', a @> '{}', a ? 'k', a ?| b, a @? 'x'": (
        "select a ->> ?, a #> ?, a @> ?, a ? ?, a ?| b, a @? ?"
    ),
    "select a=-1, a- -1, a<-1, @ -5": "select a = ?, a - ?, a < ?, @ ?",
    "select a=? and b= ?": "select a = ? and b = ?",
    "select 1_000, 0x1F, 0o17, 1.5e-3, .5, 5abc": "select ?, ?, ?, ?, ?, ? abc",
    "select null, true, a is null, a is not true, not false": "select ?, ?, a is null, a is not true, not ?",
    "create table t (a int not null default 5)": "create table t (a int not null default ?)",
    "select date '2020-01-01', interval '5 days'": "select date ?, interval ?",
    "select a from t order by a asc limit 1 offset 2": "select a from t order by a asc limit ? offset ?",
    "ALTER ROLE joe PASSWORD 'secret'": "alter role joe password ?",
    "alter user joe with encrypted password $x$secret$x$": "alter user joe with encrypted password ?",
    "call f(1, 'x')": "call f(?, ?)",
    "do $$ begin perform 'secret'; end $$": "do ?",
    "select a$1, $1": "select a$1, ?",
    "alter role joe password 'sec": "alter role joe password ?",
    "alter role joe password $x$sec": "alter role joe password ?",
    'select "sec': "select ?",
}  # fmt: skip

CASES: list[tuple[Dialect, str, str]] = [
    *(("mysql", sql, expected) for sql, expected in MYSQL.items()),
    *(("postgres", sql, expected) for sql, expected in POSTGRES.items()),
]

# Each pair differs in more than literals, spelling and lengths.
DIFFERENT = [
    ("select a from t", "select b from t"),
    ("select a from t1", "select a from t2"),
    ("select 1 - a", "select 1 + a"),
    ("select a - 1", "select a"),
    ("select f(1)", "select f(1, 2)"),
    ("select a in (1)", "select a not in (1)"),
    ("select a in (1)", "select a in (b)"),
    ("select a order by a", "select a order by a desc"),
    ("insert into t values (1, now())", "insert into t values (1, uuid())"),
    ("insert into t values (1)", "insert into t values ()"),
    ("select (a, b)", "select (a), b"),
    ("select 1 union select 2", "select 1 union all select 2"),
    ("select a is null", "select a is not null"),
]

ADVERSARIAL = [
    *("(", "[", "((((]", "/*", "/*/", "*/", "'", "''''' ", "\\'", '"', '""', "`", "``", "-", "--", "-- ", "#", "+-", "@-", "$a"),
    *("in (", "in (1,", "in ((a,", "values (", "values (1),(", "array[", "$a$", "$a$ $b$ ", "$", "1e", "0x", "1.", ".", "a.1."),
    *(":", "::", "?", "?+", "union ", "select union ", "select 1 union ", "(select union ", "_utf8 ", "- ", "limit 1,", "\\"),
    *("/*!", "/*!40001 ", "\0", "\ud800", "é", "İ", "\N{KELVIN SIGN}", ";", "select null ", "'a' ", "row ", "values row (1), "),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "sql", "expected"), CASES)
def test_a_statement_has_the_fingerprint_of_its_kind(dialect: Dialect, sql: str, expected: str) -> None:
    assert fingerprint(sql, dialect=dialect) == expected


@pytest.mark.parametrize(("dialect", "sql", "expected"), CASES)
def test_a_fingerprint_is_its_own_fingerprint(dialect: Dialect, sql: str, expected: str) -> None:
    assert fingerprint(expected, dialect=dialect) == expected


@pytest.mark.parametrize("dialect", ["mysql", "postgres"])
@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_statements_that_differ_in_more_have_different_fingerprints(one: str, other: str, dialect: Dialect) -> None:
    assert fingerprint(one, dialect=dialect) != fingerprint(other, dialect=dialect)


def test_names_in_quotes_and_hints_tell_statements_apart() -> None:
    assert fingerprint("select `a b`") != fingerprint("select a b")
    assert fingerprint("select /*! x */ a") != fingerprint("select a")
    assert fingerprint('select "A"', dialect="postgres") != fingerprint('select "a"', dialect="postgres")


def test_the_dialect_is_mysql_unless_told_otherwise() -> None:
    assert fingerprint('select "a"') == "select ?"


@pytest.mark.parametrize(
    ("dialect", "sql", "expected"),
    [("mysql", "select `a`9 from t", "select `a` ? from t"), ("postgres", r"select 5.E'qz\'qz'", "select ? ?")],
    ids=["digits behind a quoted name", "a number before an E string"],
)
def test_broken_text_leaves_no_literal(dialect: Dialect, sql: str, expected: str) -> None:
    assert fingerprint(sql, dialect=dialect) == expected


def test_the_id_is_the_end_of_the_md5_as_in_pmm() -> None:
    assert fingerprint_id("hello world") == "93CB22BB8F5ACDC3"
    assert fingerprint_id("select a from t where id = ?") == fingerprint_id(fingerprint("SELECT a FROM t WHERE id=7"))


def test_the_id_of_text_that_is_no_unicode_is_an_id() -> None:
    assert fingerprint_id("\ud800") == fingerprint_id("?")


@pytest.mark.parametrize("dialect", ["mysql", "postgres"])
def test_a_long_fingerprint_is_cut_between_tokens_and_says_so(dialect: Dialect) -> None:
    names = [f"name_{number:05}" for number in range(20_000)]
    cut = fingerprint(f"select {', '.join(names)} from t", dialect=dialect)
    assert MAX_CHARACTERS - 40 < len(cut) <= MAX_CHARACTERS
    kept, _, end = cut.rpartition(" ")
    assert end == TRUNCATED
    assert kept.removeprefix("select ").rstrip(",").split(", ") == names[: kept.count("name_")]
    assert fingerprint(cut, dialect=dialect) == cut


@pytest.mark.parametrize("run", ["??", "???", "?????", "|??", "@?", "@??", "@???", "-??", "?|", "?+", "??+"])
def test_a_run_of_question_marks_is_read_back_as_it_was_written(run: str) -> None:
    once = fingerprint(f"select a {run} b", dialect="postgres")
    assert fingerprint(once, dialect="postgres") == once


@pytest.mark.parametrize("length", range(MAX_CHARACTERS - 40, MAX_CHARACTERS + 3))
def test_a_fingerprint_around_the_longest_length_is_its_own(length: int) -> None:
    for tail in (" in (1, 2)", "(a.b)", ".c::d", " union all select a"):
        once = fingerprint("select " + "x" * (length - 7) + tail, dialect="postgres")
        assert len(once) <= MAX_CHARACTERS
        assert fingerprint(once, dialect="postgres") == once


def test_a_list_that_is_longer_than_a_fingerprint_is_still_one_list() -> None:
    numbers = ", ".join(map(str, range(100_000)))
    assert fingerprint(f"select a from t where b in ({numbers})") == "select a from t where b in(?+)"


@pytest.mark.parametrize("dialect", ["mysql", "postgres"])
@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_time_grows_with_the_length_and_not_faster(unit: str, dialect: Dialect) -> None:
    started = time.process_time()
    once = fingerprint(unit * (40_000 // len(unit)), dialect=dialect)
    assert time.process_time() - started < 5  # Quadratic behaviour takes much longer.
    assert len(once) <= MAX_CHARACTERS
    assert fingerprint(once, dialect=dialect) == once
