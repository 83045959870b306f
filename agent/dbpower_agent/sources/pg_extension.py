"""What the agent asks a PostgreSQL server about itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbpower_agent.sources.base import SourceError, statement
from dbpower_agent.sources.pg_columns import Columns

if TYPE_CHECKING:
    from dbpower_agent.database_config import DatabaseConfig
    from dbpower_agent.sources.postgres_connection import PostgresConnection


@dataclass(frozen=True)
class Extension:
    """`schema` is quoted and ready for a statement; `own_userid` is the oid of the agent's own role, as text."""

    schema: str
    version: str
    columns: Columns
    has_info: bool
    capacity: int | None
    own_userid: str


def find_extension(connection: PostgresConnection, config: DatabaseConfig) -> Extension:
    """Look for the extension in the database the agent is connected to. Raise SourceError with the remedy."""
    rows = connection.rows(statement("pg_extension"))
    if not rows:
        raise SourceError(
            "extension_missing",
            f"pg_stat_statements is not installed in database {config.database or 'postgres'!r}",
            "CREATE EXTENSION pg_stat_statements",
        )
    schema, version, columns, has_info, capacity, own_userid = rows[0]
    if capacity is None:
        raise SourceError(
            "not_preloaded",
            "pg_stat_statements is not loaded into the server",
            "shared_preload_libraries = 'pg_stat_statements' (needs a restart)",
        )
    try:
        chosen = Columns.choose(columns or [])
    except KeyError as error:
        raise SourceError(
            "extension_too_old",
            f"pg_stat_statements {version} lacks {error.args[0]}",
            "ALTER EXTENSION pg_stat_statements UPDATE",
        ) from error
    quoted = '"' + schema.replace('"', '""').replace("%", "%%") + '"'
    return Extension(quoted, version, chosen, has_info, int(capacity), str(own_userid))


def system_identifier(connection: PostgresConnection) -> str:
    """The cluster's identity, the same on its physical standbys. Where it is hidden, the place of the server stands in."""
    try:
        return str(connection.rows(statement("pg_system_identifier"))[0][0])
    except SourceError as error:
        if error.code not in {"missing_privilege", "missing_object"}:
            raise
    rows = connection.rows(
        "SELECT /* dbpower-agent */ d.oid::text, d.datname, inet_server_port()::text "
        "FROM pg_catalog.pg_database AS d ORDER BY d.oid LIMIT 1"
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]
