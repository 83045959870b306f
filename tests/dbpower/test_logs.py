"""Log lines stay lines."""

import logging

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
