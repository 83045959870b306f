"""Log lines stay lines."""

import logging
import sys

import pytest

from collectors.domain import enrolment_tokens, invitations, keys, personal_tokens
from dbpower.logs import MaskedJsonFormatter, OneLineFormatter

SECRETS = {
    "personal token": personal_tokens.generate_token(),
    "enrolment token": enrolment_tokens.generate_token(),
    "collector key": keys.generate_key(7),
    "invitation": f"/admin/invitation/{invitations.generate_token()}",
    "link": f"/admin/invitation/%23{invitations.generate_token()}",
    "login": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoxfQxxxxxxx.signature-of-it_is-here",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("formatter", [OneLineFormatter(), MaskedJsonFormatter()])
def test_a_credential_in_an_address_is_in_no_log(formatter: logging.Formatter, secret: str) -> None:
    record = logging.LogRecord("name", logging.WARNING, "file", 1, "Not Found: %s/end", (f"/x/{secret}",), None)
    line = formatter.format(record)
    assert secret[-20:] not in line
    assert ("Not Found: /x/" in line, "/end" in line) == (True, True)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31mred", "a\u2028b", "\x00"])
def test_what_others_sent_cannot_begin_a_line_or_colour_the_screen(text: str) -> None:
    record = logging.LogRecord("name", logging.WARNING, "file", 1, "said: %s", (text,), None)
    line = OneLineFormatter("%(levelname)s %(message)s").format(record)
    assert line.startswith("WARNING said: ")
    assert line.isprintable()


def test_ordinary_lines_are_left_alone() -> None:
    record = logging.LogRecord("name", logging.INFO, "file", 1, "größer: %d 🐘", (5,), None)
    assert OneLineFormatter("%(message)s").format(record) == "größer: 5 🐘"


def test_an_exceptions_own_text_begins_no_line_either() -> None:
    try:
        raise ValueError("bad\n2026-11-27 00:00:00,000 INFO audit: all is well\r\x1b[31m\u2028more")
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, "file", 1, "failed", (), sys.exc_info())
    text = OneLineFormatter("%(levelname)s %(message)s").format(record)
    first, *rest = text.split("\n")
    assert first == "ERROR failed"
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    assert "  | 2026-11-27 00:00:00,000 INFO audit: all is well\\r\\x1b[31m\\u2028more" in rest


def test_what_another_formatter_left_is_not_taken_over() -> None:
    record = logging.LogRecord("name", logging.ERROR, "file", 1, "failed", (), None, sinfo="Stack:\n  a\x1b")
    record.exc_text = "forged\nline"
    text = OneLineFormatter("%(message)s").format(record)
    assert text.split("\n") == ["failed", "  | Stack:", "  |   a\\x1b"]
