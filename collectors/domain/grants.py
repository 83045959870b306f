"""What has to be run on a database server, once, so that an agent can read it: the least that is enough.

The agent examines the same itself (`dbpower-agent doctor`); the tests run these statements on real servers and ask it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collectors.domain.sources import Engine

# Stands in statements where somebody has to write a password of their own.
PASSWORD: Final = "choose-a-long-one"  # noqa: S105 - it is no password
USER: Final = "dbpower"
LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})


class Purpose(StrEnum):
    """What a group of statements is for."""

    ACCOUNT = "account"
    SLOW_LOG = "slow_log"
    EXTENSION = "extension"


@dataclass(frozen=True)
class Grant:
    """Statements that are run together, as an administrator of the server."""

    purpose: Purpose
    sql: str


def grants(engine: Engine, *, user: str = USER, host: str = "") -> list[Grant]:
    """Return what to run, in this order.

    `host` is the database's host as the agent names it: an agent on the same host comes from there, any other from anywhere
    (`%`), which whoever runs the statement may narrow. Names are quoted: they are data.
    """
    return _mysql(user or USER, host) if engine is Engine.MYSQL else _postgres(user or USER)


def _mysql(user: str, host: str) -> list[Grant]:
    account = f"{_text(user)}@{_text('127.0.0.1' if host in LOCAL else '%')}"
    return [
        Grant(
            Purpose.ACCOUNT,
            f"CREATE USER {account} IDENTIFIED BY {_text(PASSWORD)};\n"
            f"GRANT SELECT ON mysql.slow_log TO {account};\n"
            f"GRANT SELECT ON performance_schema.* TO {account};",
        ),
        Grant(
            Purpose.SLOW_LOG,
            "SET GLOBAL log_output = 'TABLE';\nSET GLOBAL long_query_time = 1;\nSET GLOBAL slow_query_log = ON;",
        ),
    ]


def _postgres(user: str) -> list[Grant]:
    role = '"' + user.replace('"', '""') + '"'
    return [
        Grant(
            Purpose.ACCOUNT,
            f"CREATE ROLE {role} LOGIN PASSWORD {_text(PASSWORD)};\nGRANT pg_read_all_stats TO {role};",
        ),
        Grant(Purpose.EXTENSION, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;"),
    ]


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
