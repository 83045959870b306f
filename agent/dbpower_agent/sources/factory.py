"""Which sources an agent reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbpower_agent.config import AgentConfig
    from dbpower_agent.sources.base import Source, SourceTools


def make_sources(config: AgentConfig, tools: SourceTools) -> tuple[Source, ...]:
    """The configured sources, at least one. Imports only the driver of their engine, to keep the agent small."""
    if config.db_type == "mysql":
        return tuple(_mysql_sources(config, tools))
    from dbpower_agent.sources.pg_stat_statements import PgStatStatementsSource

    return (PgStatStatementsSource(config.db_config, tools),)


def _mysql_sources(config: AgentConfig, tools: SourceTools) -> list[Source]:
    """Sources of one server, over one connection."""
    from dbpower_agent.sources.mysql_session import MySQLSession
    from dbpower_agent.sources.performance_schema import PerformanceSchemaSource
    from dbpower_agent.sources.slow_log import SlowLogSource
    from dbpower_agent.sources.slow_log_rotation import FORMER, Rotation

    session = MySQLSession(config.db_config)
    made: list[Source] = []
    if "performance_schema" in config.sources:
        made.append(PerformanceSchemaSource(session, tools))
    if "slow_log" in config.sources:
        rotation = Rotation(session, rows=config.rotate_slow_log_rows) if config.rotate_slow_log_rows else None
        # Another agent of this server may rotate, or this one may have until lately.
        old_tables = (*config.slow_log_old_tables, FORMER)
        made.append(SlowLogSource(session, tools, old_tables=old_tables, rotation=rotation))
    return made
