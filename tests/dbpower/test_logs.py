"""Log lines stay lines."""

import logging

import pytest

from dbpower.logs import OneLineFormatter


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31mred", "a\u2028b", "\x00"])
def test_what_others_sent_cannot_begin_a_line_or_colour_the_screen(text: str) -> None:
    record = logging.LogRecord("name", logging.WARNING, "file", 1, "said: %s", (text,), None)
    line = OneLineFormatter("%(levelname)s %(message)s").format(record)
    assert line.startswith("WARNING said: ")
    assert line.isprintable()


def test_ordinary_lines_are_left_alone() -> None:
    record = logging.LogRecord("name", logging.INFO, "file", 1, "größer: %d 🐘", (5,), None)
    assert OneLineFormatter("%(message)s").format(record) == "größer: 5 🐘"
