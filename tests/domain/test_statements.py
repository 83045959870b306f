"""Literals are masked, whatever the text looks like."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain.sources import Engine
from collectors.domain.statements import fingerprint_id, mask_literals

BOTH = pytest.mark.parametrize("engine", Engine)
MYSQL, POSTGRES = Engine.MYSQL, Engine.POSTGRES


@BOTH
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("SELECT * FROM t WHERE id = 42", "SELECT * FROM t WHERE id = ?"),
        ("SELECT 'it''s', \"x\"", "SELECT ?, ?"),
        ("SELECT 1.5e10, 0xFF, 1_000, .5", "SELECT ?, ?, ?, ?"),
        ("SELECT t1.c2 FROM t1 WHERE x=$1", "SELECT t1.c2 FROM t1 WHERE x=$1"),
        ("SELECT $$secret$$, $tag$sec$$ret$tag$", "SELECT ?, ?"),
        ("SELECT $été$secret$été$", "SELECT ?"),
        ("SELECT /* secret */ 1 -- secret\n, 2", "SELECT ? , ?"),
        ("SELECT /**/ 1, /***/ 2", "SELECT ?, ?"),
        ("ALTER ROLE bob PASSWORD 'secret'", "ALTER ROLE bob PASSWORD ?"),
        # Unclosed quotes and comments run to the end.
        ("SELECT 'secret", "SELECT ?"),
        ("SELECT 'secret\\", "SELECT ?"),
        ("SELECT $a$secret", "SELECT ?"),
        ("SELECT /* secret", "SELECT"),
        ("  SELECT\n\t1  ", "SELECT ?"),
        ("", ""),
    ],
)
def test_literals_become_question_marks(text: str, masked: str, engine: Engine) -> None:
    assert mask_literals(text, engine=engine) == masked


@pytest.mark.parametrize(
    ("engine", "text", "masked"),
    [
        (MYSQL, r"SELECT 'a\'secret', 2", "SELECT ?, ?"),
        (MYSQL, "SELECT 1 # it's secret\n, 2", "SELECT ? , ?"),
        (MYSQL, "SELECT `it's`, `a``b` FROM t WHERE a = 'secret'", "SELECT `it's`, `a``b` FROM t WHERE a = ?"),
        (MYSQL, "SELECT 5--1, 'x\nsecret'", "SELECT ?--?, ?"),
        (MYSQL, "SELECT 5 --\n, 'secret'", "SELECT ? , ?"),
        (POSTGRES, r"SELECT * FROM t WHERE a = 'C:\' AND b = 'secret'", "SELECT * FROM t WHERE a = ? AND b = ?"),
        (POSTGRES, r"SELECT E'it\'s secret', e'', me'x'", "SELECT ?, ?, me?"),
        (POSTGRES, "SELECT a #> '{x,\nsecret}'", "SELECT a #> ?"),
        (POSTGRES, "SELECT /* a /* b */ secret */ 1", "SELECT"),
    ],
)
def test_where_a_literal_ends_is_as_the_engine_has_it(engine: Engine, text: str, masked: str) -> None:
    assert mask_literals(text, engine=engine) == masked


@BOTH
@given(st.text(alphabet="abc 'x\"\\$-/*#\n1.", max_size=60))
def test_no_text_makes_masking_fail_and_no_quoted_part_is_left(engine: Engine, text: str) -> None:
    masked = mask_literals(text, engine=engine)
    assert "'" not in masked
    assert '"' not in masked
    assert mask_literals(masked, engine=engine) == masked


@BOTH
@given(st.text(alphabet=st.characters(exclude_characters="'\\", codec="utf-8"), max_size=60))
def test_the_content_of_a_text_is_never_left_over(engine: Engine, secret: str) -> None:
    assert (
        mask_literals(f"SELECT a FROM b WHERE c = '{secret}' AND d", engine=engine)
        == "SELECT a FROM b WHERE c = ? AND d"
    )


@BOTH
@pytest.mark.parametrize("piece", ["'", "\\'", "$a$", "/*", "--", "1 ", "$", '"\\', "''", "$$ ", "`", "/*/", "E'"])
def test_the_time_is_linear_in_the_length(piece: str, engine: Engine) -> None:
    text = (piece * 100_000)[:100_000]
    begin = time.process_time()
    mask_literals(text, engine=engine)
    assert time.process_time() - begin < 2


def test_the_id_is_the_last_16_hex_digits_of_the_md5() -> None:
    assert fingerprint_id("select * from orders where id = ?") == "296E90D8F864A512"
    assert fingerprint_id("") == "E9800998ECF8427E"
