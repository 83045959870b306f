"""The command `update_config`: a new `db_config` is tried, stored and put to use, or nothing changes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dbpower_agent.commands import CommandResult
from dbpower_agent.config_store import save_database_config
from dbpower_agent.database_config import parse_database_config
from dbpower_agent.logs import MASK
from dbpower_agent.sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.config import AgentConfig
    from dbpower_agent.database_config import DatabaseConfig
    from dbpower_agent.sources.base import Source

logger = logging.getLogger(__name__)


class UpdateRefusedError(Exception):
    """The update changes nothing; `result` says why, without any secret."""

    def __init__(self, **result: Any) -> None:
        super().__init__(result.get("code"))
        self.result = result


def try_update(
    config: AgentConfig, params: dict[str, Any], make_sources: Callable[[AgentConfig], tuple[Source, ...]]
) -> tuple[AgentConfig, tuple[Source, ...]]:
    """Check the new `db_config`, connect with it and store it. Returns what to use from now on.

    Raise UpdateRefusedError before anything has changed.
    """
    wanted = _wanted(config, params)
    sources = make_sources(wanted)
    try:
        _probe(sources)
        path = save_database_config(config, wanted.db_config, wanted.config_version)
    except SourceError as error:
        _close(sources)
        detail = error.detail
        for secret in wanted.secrets:
            detail = detail.replace(secret, MASK)
        raise UpdateRefusedError(code=error.code, detail=detail, remedy=error.remedy) from error
    except OSError as error:
        _close(sources)
        raise UpdateRefusedError(code="not_stored", detail=f"the configuration cannot be stored: {error}") from error
    except BaseException:
        _close(sources)
        raise
    logger.info("configuration version %d is in use and stored in %s", wanted.config_version, path)
    return wanted, sources


def _probe(sources: tuple[Source, ...]) -> None:
    """Raise the first source's SourceError when none of them can be read."""
    errors = []
    for source in sources:
        try:
            source.probe()
        except SourceError as error:
            errors.append(error)
    if len(errors) == len(sources):
        raise errors[0]


def _close(sources: tuple[Source, ...]) -> None:
    for source in sources:
        source.close()


def _wanted(config: AgentConfig, params: dict[str, Any]) -> AgentConfig:
    version = params.get("config_version")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < 2**31:
        raise UpdateRefusedError(code="invalid", detail="config_version must be an integer")
    if version < config.config_version:
        raise UpdateRefusedError(code="superseded", detail=f"version {config.config_version} is in use")
    db_config, problems = parse_database_config(params.get("config"), where="config")
    if problems:
        raise UpdateRefusedError(code="invalid", problems=problems[:20])
    if db_config.password is None:
        if config.db_config.password is not None and _place(db_config) != _place(config.db_config):
            detail = "another host, port or socket needs the password again: the present one is not sent elsewhere"
            raise UpdateRefusedError(code="password_needed", detail=detail)
        db_config = replace(db_config, password=config.db_config.password)
    return config.with_database(db_config, version)


def _place(db_config: DatabaseConfig) -> tuple[str, int | None, str | None]:
    return db_config.effective_host, db_config.port, db_config.socket


def refused(error: UpdateRefusedError) -> CommandResult:
    return CommandResult(success=False, result=error.result)
