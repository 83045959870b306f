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

    session = MySQLSession(config.db_config)
    made: list[Source] = []
    if "performance_schema" in config.sources:
        made.append(PerformanceSchemaSource(session, tools))
    if "slow_log" in config.sources:
        made.append(SlowLogSource(session, tools, old_tables=config.slow_log_old_tables))
    return made
