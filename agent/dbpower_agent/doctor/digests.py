"""Examines what a MySQL or MariaDB server counts in performance_schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbpower_agent.doctor.findings import Finding, bad, good
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.digest_table import DigestTable
from dbpower_agent.sources.performance_schema import switch_on

if TYPE_CHECKING:
    from dbpower_agent.sources.mysql_connection import MySQLConnection

NAME: Final = "performance_schema"
# A table that is fuller than this will soon count new statements together.
FULL: Final = 0.9


def examine_digests(connection: MySQLConnection) -> list[Finding]:
    """Is it on, may the account read it, does it count digests, and has its table room."""
    try:
        table = DigestTable(connection)
        missing = table.missing_consumers()
        tracked = table.tracked()
    except SourceError as error:
        return [bad(NAME if error.code == "performance_schema_off" else f"{NAME} grants", error.detail, error.remedy)]
    findings = [good(NAME, "performance_schema is on"), good(f"{NAME} grants", "the digests can be read")]
    if missing:
        detail = f"no statements are counted: {', '.join(missing)} is off"
        findings.append(bad("statements_digest", detail, "; ".join(map(switch_on, missing))))
    else:
        findings.append(good("statements_digest", "statements are counted by digest"))
    return [*findings, _fill(table.capacity, tracked)]


def _fill(capacity: int | None, tracked: int) -> Finding:
    if capacity and tracked >= capacity * FULL:
        detail = f"{tracked} of {capacity} digests are in use; what finds no room is counted together"
        remedy = f"performance_schema_digests_size = {2 * capacity} in the section [mysqld] (needs a restart)"
        return bad("digests_size", detail, remedy)
    return good("digests_size", f"{tracked} of {capacity if capacity is not None else 'unknown'} digests are in use")
