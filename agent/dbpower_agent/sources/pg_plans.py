"""Plans of statements that PostgreSQL has recorded.

Planning runs functions: those of the statement that are immutable or stable, and those behind operators, casts, domains and
policies. Whoever may create one could have it run with the rights of whoever plans. So the agent plans nothing with its own
rights: it calls a function that the server's administrator installed (`dbpower.plan`, see docs/plans.md), which plans with
the rights of the role that ran the statement, and only what that role has run. No text of a statement is ever sent there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.fingerprint import fingerprint, fingerprint_id
from dbpower_agent.plans import MAX_NAME, UnreadablePlanError, flatten
from dbpower_agent.sources.base import SourceError, statement
from dbpower_agent.sources.postgres_connection import Limits, PostgresConnection, StatementFailedError
from dbpower_agent.sources.slow_log_rows import clean_text
from dbpower_agent.tokens import SYMBOL, WORD, scan

if TYPE_CHECKING:
    from dbpower_agent.database_config import DatabaseConfig

KEY: Final = re.compile(r"(\d{1,10}):(\d{1,10}):(-?\d{1,19}):[tf]")
OLDEST_VERSION: Final = 160000
LIMITS: Final = Limits(statement_ms=5_000, lock_ms=500, cut_off_seconds=10.0)
MAX_ANSWER: Final = 4 * 1024 * 1024
PLANNABLE: Final = frozenset({"select", "insert", "update", "delete", "merge", "values", "with"})

# What the server says may hold data of its tables, so that only the kind of the failure leaves this host.
FAILURES: Final = {
    "42501": ("permission_denied", "the role that ran the statement may not do so any more"),
    "42P01": ("unresolved", "a table of the statement is not found in the search path of the function that plans"),
    "3F000": ("unresolved", "a schema of the statement does not exist"),
    "42703": ("unresolved", "a column of the statement does not exist"),
    "42883": ("unresolved", "a function or operator of the statement is not found, or does not fit its parameters"),
    "42704": ("unresolved", "a type of the statement is not found"),
    "42P18": ("not_plannable", "the type of a parameter does not follow from the statement"),
    "42601": ("not_plannable", "the server does not record this statement in a form that it can read again"),
    "0A000": ("not_plannable", "this kind of statement has no plan"),
    "DB001": (
        "open_schema",
        "everybody may create functions in a schema of the search_path of the function that plans",
    ),
    "57014": ("timeout", f"planning took longer than {LIMITS.statement_ms // 1000} s"),
    "55P03": ("locked", "a table of the statement is locked by another session"),
    "25006": ("read_only", "planning the statement would have written something"),
    "P0002": ("statement_gone", "the server has forgotten the statement; it is recorded again when it runs again"),
}


@dataclass(frozen=True)
class Wanted:
    """The statement to plan: its natural key, and the fingerprint that it must still have."""

    key: str
    userid: str
    dbid: str
    queryid: str
    fingerprint_id: str

    @classmethod
    def of(cls, params: dict[str, Any]) -> Wanted:
        """Read a command's `params`. Raise SourceError."""
        key, wanted = params.get("key"), params.get("fingerprint_id")
        match = KEY.fullmatch(key) if isinstance(key, str) else None
        if match is None or not isinstance(wanted, str):
            raise SourceError("invalid", "the command names no statement")
        return cls(match[0], match[1], match[2], match[3], wanted)


@dataclass(frozen=True)
class Place:
    """Where the statement ran and who ran it."""

    version_number: int
    version: str
    database: str | None
    role: str | None
    is_superuser: bool


def explain(connection: PostgresConnection, config: DatabaseConfig, wanted: Wanted, text: str | None) -> dict[str, Any]:
    """Return the plan of the recorded statement. `text` is how the server has it. Raise SourceError."""
    place = Place(*connection.rows(statement("pg_plan_place"), [wanted.dbid, wanted.userid])[0])
    if place.version_number < OLDEST_VERSION:
        raise SourceError("version", f"plans need PostgreSQL 16 or newer; this is {place.version}")
    check_text(text, wanted)
    if place.database is None or place.role is None:
        raise SourceError("statement_gone", "the database or the role of the statement is gone")
    if place.is_superuser:
        raise SourceError(
            "superuser", "statements of superusers are not planned: planning them may run foreign functions"
        )
    answer = _ask(replace(config, database=place.database), place.role, wanted)
    try:
        plan = flatten(answer)
    except UnreadablePlanError:
        raise SourceError("not_plannable", "the server's answer is no plan") from None
    return {"plan": {"server_version": place.version[:MAX_NAME], **plan}}


def check_text(text: str | None, wanted: Wanted) -> None:
    """Refuse what is not one statement with a plan, or not the one that was asked for. Raise SourceError."""
    if text is None:
        raise SourceError(*FAILURES["P0002"])
    tokens = list(scan(text, "postgres"))
    while tokens and tokens[-1] == (SYMBOL, ";"):
        tokens.pop()
    first = next((word for kind, word in tokens if (kind, word) != (SYMBOL, "(")), "")
    if first not in PLANNABLE or next(kind for kind, word in tokens if word == first) != WORD:
        raise SourceError("not_plannable", "only SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES have plans")
    if (SYMBOL, ";") in tokens:
        raise SourceError("not_plannable", "the text holds more than one statement")
    if fingerprint_id(clean_text(fingerprint(text, dialect="postgres"))) != wanted.fingerprint_id:
        raise SourceError("statement_gone", "the server has another statement under this number now")


def _ask(config: DatabaseConfig, role: str, wanted: Wanted) -> str:
    """Let the server plan, over a connection of its own that ends with it: functions may leave settings behind."""
    connection = PostgresConnection(config)
    try:
        _check_installation(connection, role, wanted)
        parameters = [MAX_ANSWER, role, wanted.queryid]
        ((size, answer),) = connection.rows_of_strangers(statement("pg_plan"), parameters, limits=LIMITS)
    except StatementFailedError as error:
        code, detail = FAILURES.get(
            error.sqlstate, ("failed", f"the server cannot plan it (SQLSTATE {error.sqlstate})")
        )
        raise SourceError(code, detail) from None
    finally:
        connection.close()
    if answer is None or size > MAX_ANSWER:
        raise SourceError("not_plannable", "the plan is too large" if answer else "the server answered no plan")
    return str(answer)


def _check_installation(connection: PostgresConnection, role: str, wanted: Wanted) -> None:
    """Call nothing but what an administrator of the server installed, or it would run with the agent's rights."""
    rows = connection.rows(statement("pg_plan_functions"), [f"plan_as_{role}", wanted.userid])
    if not rows or rows[0][1] is None:
        raise SourceError("not_installed", "the functions that make plans are not installed in this database")
    trusted, switched, callable_, for_role = rows[0]
    if not trusted:
        raise SourceError("not_trusted", "the schema dbpower is not a superuser's, so its functions are not called")
    if not switched:
        detail = "dbpower.plan(text, bigint) must be SECURITY DEFINER, its owner without rights, login and members"
        raise SourceError("not_trusted", detail)
    if not callable_:
        raise SourceError("not_granted", "the agent's role may not call dbpower.plan(text, bigint)")
    if not for_role:
        raise SourceError("role_not_installed", f"statements of role {role[:MAX_NAME]} are not set up for plans")
