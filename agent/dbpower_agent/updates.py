"""The command `update_config`: a new `db_config` is tried, stored and put to use, or nothing changes.

Whoever sends it may be somebody who took the control plane over. So it names files of this host only where the host allows
it, no password goes to another place than it was given for, and what comes back tells nothing about files and sockets.
"""

from __future__ import annotations

import logging
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.commands import CommandResult
from dbpower_agent.config_store import save_database_config
from dbpower_agent.database_config import TLS_PATHS, parse_database_config
from dbpower_agent.logs import MASK
from dbpower_agent.sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbpower_agent.config import AgentConfig
    from dbpower_agent.database_config import DatabaseConfig
    from dbpower_agent.sources.base import Source

logger = logging.getLogger(__name__)

UNREACHED: Final = frozenset({"database_unreachable", "tls_refused", "database_error"})
FOREIGN_SOCKET: Final = "the database cannot be reached over this socket"


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
        raise _not_reached(config, wanted, error) from error
    except OSError as error:
        _close(sources)
        raise UpdateRefusedError(code="not_stored", detail=f"the configuration cannot be stored: {error}") from error
    except BaseException:
        _close(sources)
        raise
    logger.info("configuration version %d is in use and stored in %s", wanted.config_version, path)
    if path == config.path:
        stored = replace(wanted.db_config, own_password=wanted.db_config.has_password)
        wanted = replace(wanted, base_db_config=stored, db_config=stored)
    return wanted, sources


def _not_reached(config: AgentConfig, wanted: AgentConfig, error: SourceError) -> UpdateRefusedError:
    detail = error.detail
    for secret in wanted.secrets:
        detail = detail.replace(secret, MASK)
    if error.code in UNREACHED and wanted.db_config.socket not in {None, config.base_db_config.socket}:
        # The drivers say of a path whether it exists, and what it is.
        return UpdateRefusedError(code="database_unreachable", detail=FOREIGN_SOCKET, remedy=None)
    return UpdateRefusedError(code=error.code, detail=detail, remedy=error.remedy)


def _tls_files(db_config: DatabaseConfig) -> list[str]:
    return [path for name in TLS_PATHS if (path := getattr(db_config.tls, name)) is not None]


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
    _refuse_foreign_tls_files(config, db_config)
    if db_config.password_from is not None:
        try:
            config.local_secrets.check(db_config)
        except SourceError as error:
            raise UpdateRefusedError(code=error.code, detail=error.detail, remedy=error.remedy) from error
    elif db_config.password is None and config.db_config.has_password:
        if not db_config.may_have_the_password_of(config.db_config, config.db_type):
            detail = "another host, port, socket or CA, or weaker TLS, needs the password again: the present one is kept back"
            raise UpdateRefusedError(code="password_needed", detail=detail)
        db_config = db_config.with_password_of(config.db_config)
    return config.with_database(db_config, version)


def _refuse_foreign_tls_files(config: AgentConfig, db_config: DatabaseConfig) -> None:
    """Refuse files that the host has not offered, before any of them is looked at."""
    offered = _tls_files(config.base_db_config)
    directory = config.tls_directory
    for path in _tls_files(db_config):
        inside = bool(directory) and posixpath.dirname(path) == directory and posixpath.normpath(path) == path
        if path not in offered and not inside:
            detail = "TLS files are those of this host's own configuration, or lie in its tls_directory"
            raise UpdateRefusedError(code="tls_file_refused", detail=detail)


def refused(error: UpdateRefusedError) -> CommandResult:
    return CommandResult(success=False, result=error.result)
