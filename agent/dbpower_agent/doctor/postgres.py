"""Examines a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbpower_agent.doctor.findings import Finding, bad, good
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.pg_extension import Extension, find_extension
from dbpower_agent.sources.postgres_connection import PostgresConnection

if TYPE_CHECKING:
    from dbpower_agent.database_config import DatabaseConfig

OLDEST_VERSION = 130000
LOAD_IT = "shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, then restart the server"


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
    """Created in this database, loaded into the server, and recording."""
    ((track, query_ids, size),) = connection.rows(
        "SELECT /* dbpower-agent */ current_setting('pg_stat_statements.track', true),"
        " current_setting('compute_query_id', true), current_setting('pg_stat_statements.max', true)"
    )
    created = good("extension", "pg_stat_statements is installed in this database")
    try:
        found = find_extension(connection, config)
        created = good("extension", f"pg_stat_statements {found.version} is installed in schema {found.schema}")
        problem = _unreadable(connection, found, config)
    except SourceError as error:
        problem = error
    if problem is None:
        return [created, good("shared_preload_libraries", "the library is loaded"), *_recording(track, query_ids)]
    if problem.code != "not_preloaded":
        created = bad("extension", problem.detail, problem.remedy)
    if problem.code == "not_preloaded" or size is None:
        return [created, bad("shared_preload_libraries", "pg_stat_statements is not loaded into the server", LOAD_IT)]
    return [created, *_recording(track, query_ids)]


def _unreadable(connection: PostgresConnection, found: Extension, config: DatabaseConfig) -> SourceError | None:
    """Read one row: settings prove nothing, for a file may hold them although the library is not loaded."""
    try:
        connection.rows(f"SELECT /* dbpower-agent */ 1 FROM {found.schema}.pg_stat_statements(false) LIMIT 1")  # noqa: S608
    except SourceError as error:
        if error.code == "missing_privilege":
            remedy = f'GRANT USAGE ON SCHEMA {found.schema.replace("%%", "%")} TO "{config.user or "postgres"}"'
            return SourceError(error.code, error.detail, remedy)
        return error
    return None


def _recording(track: str | None, query_ids: str | None) -> list[Finding]:
    findings = []
    if track == "none":
        remedy = "ALTER SYSTEM SET pg_stat_statements.track = 'top'; SELECT pg_reload_conf()"
        findings.append(bad("track", "pg_stat_statements records nothing", remedy))
    elif track is not None:
        findings.append(good("track", f"pg_stat_statements.track is {track}"))
    if query_ids == "off":
        remedy = "ALTER SYSTEM SET compute_query_id = 'auto'; SELECT pg_reload_conf()"
        findings.append(bad("compute_query_id", "the server gives statements no identifiers", remedy))
    return findings
