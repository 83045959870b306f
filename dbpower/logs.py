"""Log lines that stay lines."""

import logging


class OneLineFormatter(logging.Formatter):
    """Text logs in which a message cannot begin a line of its own: control characters in what others sent are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text. Tracebacks keep their lines; the message has one."""
        message = record.getMessage()
        if not message.isprintable():
            record = logging.makeLogRecord(record.__dict__)
            record.msg = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
            record.args = None
        return super().format(record)
