"""The places an agent reads, and the engines they belong to."""

from enum import StrEnum
from typing import Final


class Engine(StrEnum):
    """The kind of a monitored database. `mysql` stands for MySQL and MariaDB."""

    MYSQL = "mysql"
    POSTGRES = "postgres"


class Source(StrEnum):
    """What an upload was read from."""

    SLOW_LOG = "slow_log"
    PERFORMANCE_SCHEMA = "performance_schema"
    PG_STAT_STATEMENTS = "pg_stat_statements"


SOURCES_OF: Final[dict[Engine, tuple[Source, ...]]] = {
    Engine.MYSQL: (Source.SLOW_LOG, Source.PERFORMANCE_SCHEMA),
    Engine.POSTGRES: (Source.PG_STAT_STATEMENTS,),
}
# The row in which performance_schema counts what its table has no room for: neither schema nor digest.
OVERFLOW_KEY: Final = ":"
