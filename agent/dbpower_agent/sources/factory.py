"""Which source an agent reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbpower_agent.config import AgentConfig
    from dbpower_agent.sources.base import Source, SourceTools


def make_source(config: AgentConfig, tools: SourceTools) -> Source:
    """The source for the configured engine. Imports only that engine's driver, to keep the agent small."""
    if config.db_type == "mysql":
        from dbpower_agent.sources.slow_log import SlowLogSource

        return SlowLogSource(config.db_config, tools, old_tables=config.slow_log_old_tables)
    from dbpower_agent.sources.pg_stat_statements import PgStatStatementsSource

    return PgStatStatementsSource(config.db_config, tools)
