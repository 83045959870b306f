"""Examines a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbpower_agent.doctor.findings import Finding, bad, good
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.pg_extension import find_extension
from dbpower_agent.sources.postgres_connection import PostgresConnection

if TYPE_CHECKING:
    from dbpower_agent.database_config import DatabaseConfig

OLDEST_VERSION = 130000


def examine_postgres(config: DatabaseConfig) -> list[Finding]:
    try:
        connection = PostgresConnection(config)
    except SourceError as error:
        return [bad("database", error.detail, error.remedy)]
    try:
        return [
            good("database", f"connected as {config.user or 'postgres'!r}"),
            _version(connection),
            _privilege(connection, config),
            *_extension(connection, config),
        ]
    except SourceError as error:
        return [bad("database", error.detail, error.remedy)]
    finally:
        connection.close()


def _version(connection: PostgresConnection) -> Finding:
    ((number, text),) = connection.rows(
        "SELECT /* dbpower-agent */ current_setting('server_version_num'), current_setting('server_version')"
    )
    if int(number) < OLDEST_VERSION:
        return bad("version", f"PostgreSQL {text} is older than 13", "upgrade to PostgreSQL 13 or later")
    return good("version", f"PostgreSQL {text}")


def _privilege(connection: PostgresConnection, config: DatabaseConfig) -> Finding:
    ((allowed,),) = connection.rows(
        "SELECT /* dbpower-agent */ pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
    )
    if not allowed:
        remedy = f'GRANT pg_read_all_stats TO "{config.user or "postgres"}"'
        return bad("grants", "the statements of other roles are hidden from this role", remedy)
    return good("grants", "the role sees the statements of all roles")


def _extension(connection: PostgresConnection, config: DatabaseConfig) -> list[Finding]:
    """Loaded into the server, created in this database, and recording."""
    ((track, query_ids),) = connection.rows(
        "SELECT /* dbpower-agent */ current_setting('pg_stat_statements.track', true),"
        " current_setting('compute_query_id', true)"
    )
    if track is None:
        remedy = "shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, then restart the server"
        loaded = bad("shared_preload_libraries", "pg_stat_statements is not loaded into the server", remedy)
    else:
        loaded = good("shared_preload_libraries", "pg_stat_statements is loaded")
    try:
        found = find_extension(connection, config)
        created = good("extension", f"pg_stat_statements {found.version} is installed in schema {found.schema}")
    except SourceError as error:
        if error.code == "not_preloaded":
            created = good("extension", "pg_stat_statements is installed in this database")
        else:
            created = bad("extension", error.detail, error.remedy)
    findings = [loaded, created]
    if track == "none":
        remedy = "ALTER SYSTEM SET pg_stat_statements.track = 'top'; SELECT pg_reload_conf()"
        findings.append(bad("track", "pg_stat_statements records nothing", remedy))
    elif track is not None:
        findings.append(good("track", f"pg_stat_statements.track is {track}"))
    if query_ids == "off":
        remedy = "ALTER SYSTEM SET compute_query_id = 'auto'; SELECT pg_reload_conf()"
        findings.append(bad("compute_query_id", "the server gives statements no identifiers", remedy))
    return findings
