"""Examines a MySQL or MariaDB server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbpower_agent.doctor.digests import examine_digests
from dbpower_agent.doctor.findings import Finding, bad, good
from dbpower_agent.sources.base import SourceError, statement
from dbpower_agent.sources.mysql_connection import MySQLConnection
from dbpower_agent.sources.mysql_facts import ServerFacts, grant_of, read_facts

if TYPE_CHECKING:
    from dbpower_agent.database_config import DatabaseConfig

SLOW_ROWS = 200_000
USUAL_LONG_QUERY_TIME = 1.0


def examine_mysql(config: DatabaseConfig, sources: tuple[str, ...]) -> list[Finding]:
    try:
        connection = MySQLConnection(config)
    except SourceError as error:
        return [bad("database", error.detail, error.remedy)]
    try:
        facts = read_facts(connection)
        findings = [
            good("database", f"connected as {config.user or ''!r}"),
            _version(facts),
        ]
        if "slow_log" in sources:
            findings += _slow_log(connection, facts)
        if "performance_schema" in sources:
            findings += examine_digests(connection)
        return findings
    except SourceError as error:
        return [bad("database", error.detail, error.remedy)]
    finally:
        connection.close()


def _slow_log(connection: MySQLConnection, facts: ServerFacts) -> list[Finding]:
    grant = _grant(connection)
    return [grant, *_logging(facts), *_thresholds(facts), *(_size(connection) if grant.ok else [])]


def _version(facts: ServerFacts) -> Finding:
    version = facts.variables.get("version", "")
    numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdecimal())
    oldest = (10, 4) if facts.is_mariadb else (5, 7)
    name = "MariaDB" if facts.is_mariadb else "MySQL"
    if numbers < oldest:
        wanted = ".".join(map(str, oldest))
        return bad("version", f"{name} {version} is older than {wanted}", f"upgrade to {name} {wanted} or later")
    return good("version", f"{name} {version}")


def _grant(connection: MySQLConnection) -> Finding:
    try:
        connection.rows(statement("slow_log_probe"))
    except SourceError as error:
        remedy = grant_of(connection, "SELECT ON mysql.slow_log")
        return bad("grants", f"mysql.slow_log cannot be read: {error.detail}", remedy)
    return good("grants", "mysql.slow_log can be read")


def _logging(facts: ServerFacts) -> list[Finding]:
    findings = []
    if facts.logging:
        findings.append(good("slow_query_log", "slow statements are logged"))
    else:
        findings.append(bad("slow_query_log", "the slow log is off", "SET GLOBAL slow_query_log = ON"))
    if "TABLE" in facts.log_output:
        findings.append(good("log_output", f"log_output is {facts.log_output}"))
    else:
        detail = f"log_output is {facts.log_output}: slow statements do not reach mysql.slow_log"
        findings.append(bad("log_output", detail, "SET GLOBAL log_output = 'TABLE'"))
    return findings


def _thresholds(facts: ServerFacts) -> list[Finding]:
    variables = facts.variables
    seconds = float(variables.get("long_query_time") or variables.get("log_slow_query_time") or 0)
    if seconds > USUAL_LONG_QUERY_TIME:
        detail = f"only statements slower than {seconds:g} s are logged"
        findings = [bad("long_query_time", detail, "SET GLOBAL long_query_time = 1")]
    else:
        findings = [good("long_query_time", f"statements slower than {seconds:g} s are logged")]
    limit = int(variables.get("min_examined_row_limit") or variables.get("log_slow_min_examined_row_limit") or 0)
    if limit:
        detail = f"slow statements that examine fewer than {limit} rows are not logged"
        findings.append(bad("min_examined_row_limit", detail, "SET GLOBAL min_examined_row_limit = 0"))
    else:
        findings.append(good("min_examined_row_limit", "no slow statement is left out for examining few rows"))
    return findings


def _size(connection: MySQLConnection) -> list[Finding]:
    text = connection.value(statement("slow_log_size"))
    rows = int(text or 0)
    if rows > SLOW_ROWS:
        detail = f"mysql.slow_log holds more than {SLOW_ROWS} rows; every read scans them all"
        remedy = (
            "CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log; RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, "
            "mysql.slow_log_next TO mysql.slow_log"
        )
        return [bad("slow log size", detail, remedy)]
    return [good("slow log size", f"{rows} rows")]
