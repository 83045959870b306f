"""Plans of recorded statements, from real servers: with the rights of whoever ran them, and without a literal."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.domain import grants
from dbpower_agent import plans
from dbpower_agent.database_config import parse_database_config
from dbpower_agent.fingerprint import fingerprint, fingerprint_id
from dbpower_agent.sources import pg_plans
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.pg_plans import Wanted, check_text
from dbpower_agent.sources.pg_stat_statements import PgStatStatementsSource
from dbpower_agent.sources.postgres_connection import Limits
from tests.agent.agents import eventually, make_tools
from tests.agent.conftest import PASSWORD, PostgresSite, postgres_site
from tests.servers.postgresql import PostgreSQL

CANARY = "canary-literal-77"


@dataclass
class Shop:
    """A database of an application's role, with a view, a policy and an index that hold a literal."""

    site: PostgresSite
    folder: Path
    database: str
    role: str

    def as_app(self, sql: str, parameters: list[Any] | None = None) -> None:
        with self.site.server.connect(self.database, self.role, PASSWORD) as connection:
            connection.execute(sql.encode(), parameters)

    def as_root(self, sql: str) -> list[tuple[Any, ...]]:
        return self.site.server.execute(sql, database=self.database)

    def install(self) -> None:
        self.as_root(grants.plan_functions(role=self.role, user=self.site.role))

    def recorded(self, like: str) -> dict[str, Any]:
        """The `params` of a command that asks for the plan of a statement that the role ran."""
        ((key, text),) = self.site.server.execute(
            "SELECT s.userid || ':' || s.dbid || ':' || s.queryid || ':t', s.query FROM pg_stat_statements s"
            " JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = %s AND s.query LIKE %s AND s.toplevel",
            [self.role, like],
        )
        return {"key": key, "fingerprint_id": fingerprint_id(fingerprint(text, dialect="postgres"))}

    def source(self) -> PgStatStatementsSource:
        return PgStatStatementsSource(parse_database_config(self.site.db_config)[0], make_tools(self.folder))

    def plan(self, like: str) -> dict[str, Any]:
        source = self.source()
        try:
            plan: dict[str, Any] = source.explain(self.recorded(like))["plan"]
            return plan
        finally:
            source.close()

    def refusal(self, like: str) -> str:
        with pytest.raises(SourceError) as refused:
            self.plan(like)
        assert CANARY not in str(refused.value)
        return refused.value.code


def open_shop(server: PostgreSQL, folder: Path) -> Shop:
    site = postgres_site(server)
    role = site.role.replace("agent", "The App")
    shop = Shop(site, folder, f"shop of {role}", role)
    server.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}'")
    server.execute(f'CREATE DATABASE "{shop.database}" OWNER "{role}"')
    shop.as_app("CREATE TABLE orders (id int PRIMARY KEY, state text, total int)")
    shop.as_app(f"CREATE VIEW live AS SELECT * FROM orders WHERE state <> '{CANARY}'")
    shop.as_app(f"CREATE INDEX ON orders (total) WHERE state = '{CANARY}'")
    return shop


@pytest.fixture(params=["postgresql_17", "postgresql_18"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop on every version that has plans."""
    opened = open_shop(request.getfixturevalue(request.param), tmp_path)
    yield opened
    opened.as_root("DROP SCHEMA IF EXISTS dbpower CASCADE")


def test_a_plan_comes_with_its_costs_and_without_any_literal(shop: Shop) -> None:
    shop.install()
    shop.as_app("SELECT total FROM live WHERE id = %s AND state LIKE 'x%%' ORDER BY total + 42", [7])
    plan = shop.plan("SELECT total FROM live%")
    assert CANARY not in json.dumps(plan)
    assert (set(plan), plan["omitted"]) == ({"server_version", "nodes", "omitted"}, 0)
    sort, scan = plan["nodes"][:2]
    assert (sort["type"], sort["depth"], sort["sort_key"]) == ("Sort", 0, "((orders.total + ?))")
    assert (scan["schema"], scan["relation"], scan["depth"], scan["parent"]) == ("public", "orders", 1, "Outer")
    assert "state <> ?::text" in scan["filter"]
    assert scan["total_cost"] >= scan["startup_cost"] >= 0
    assert scan["rows"] >= 1


def test_a_statement_that_writes_is_planned_and_not_run(shop: Shop) -> None:
    shop.install()
    shop.as_app("DELETE FROM orders WHERE id = %s", [1])
    shop.as_app("INSERT INTO orders VALUES (1, 'new', 2)")
    plan = shop.plan("DELETE FROM orders%")
    assert (plan["nodes"][0]["type"], plan["nodes"][0]["operation"]) == ("ModifyTable", "Delete")
    assert shop.as_root("SELECT count(*) FROM orders") == [(1,)]


def test_functions_that_planning_runs_have_the_rights_of_whoever_ran_the_statement(shop: Shop) -> None:
    """The function would escape to the agent's role, read what others ran, or write; planning ends at the first it can."""
    shop.as_root("CREATE TABLE escaped (as_whom name); GRANT INSERT ON escaped TO public")
    shop.as_app(
        "CREATE FUNCTION trap() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM trap_inner(); RETURN 1; END $$;"
        "CREATE FUNCTION trap_inner() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_user = session_user THEN RETURN; END IF; "
        "PERFORM set_config('role', session_user, false); RAISE division_by_zero; "
        "EXCEPTION WHEN insufficient_privilege THEN "
        "IF pg_has_role('pg_read_all_stats', 'USAGE') THEN RAISE division_by_zero; END IF; END $$"
    )
    shop.install()
    shop.as_app("SELECT * FROM orders WHERE id < trap()")
    assert shop.plan("SELECT * FROM orders WHERE id < trap()")["nodes"]
    shop.as_root(f'GRANT USAGE ON SCHEMA dbpower TO "{shop.role}"')
    # Turned around by its owner, it runs with the rights of a role that has none, and not with the agent's.
    shop.as_app(f'ALTER FUNCTION dbpower."plan_as_{shop.role}"(bigint) SECURITY INVOKER')
    assert shop.refusal("SELECT * FROM orders WHERE id < trap()") == "statement_gone"
    shop.as_app(f'ALTER FUNCTION dbpower."plan_as_{shop.role}"(bigint) SECURITY DEFINER')
    shop.as_app(
        "CREATE OR REPLACE FUNCTION trap_inner() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO escaped VALUES (current_user); END $$"
    )
    assert shop.refusal("SELECT * FROM orders WHERE id < trap()") == "read_only"
    assert shop.as_root("SELECT * FROM escaped") == []


def test_a_function_that_will_not_end_is_left_behind_and_ends(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_plans, "LIMITS", Limits(statement_ms=200, lock_ms=200, cut_off_seconds=0.6))
    shop.install()
    shop.as_app(
        "CREATE FUNCTION stays() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN "
        "IF current_user = session_user THEN RETURN 1; END IF; "
        "LOOP BEGIN PERFORM pg_sleep(0.05); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
    )
    shop.as_app("SELECT id FROM orders WHERE id < stays()")
    begin = time.monotonic()
    assert shop.refusal("SELECT id FROM orders WHERE id < stays()") == "timeout"
    assert time.monotonic() - begin < 5
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{shop.site.role}'"
    eventually(lambda: shop.as_root(sessions) == [(0,)], what="the end of the session")


def test_only_what_an_administrator_installed_is_called(shop: Shop) -> None:
    shop.as_app("SELECT id FROM orders")
    assert shop.refusal("SELECT id FROM orders") == "not_installed"
    # Anybody who may create schemas could put functions of that name there, which run with the rights of whoever calls.
    shop.as_app(
        "CREATE SCHEMA dbpower; GRANT USAGE ON SCHEMA dbpower TO public;"
        "CREATE FUNCTION dbpower.plan(text, bigint) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'ran'; END $$"
    )
    assert shop.refusal("SELECT id FROM orders") == "not_trusted"
    shop.as_root("DROP SCHEMA dbpower CASCADE")
    shop.install()
    assert shop.plan("SELECT id FROM orders")["nodes"]
    # Whoever belongs to its owner may change it.
    shop.as_root(f'GRANT dbpower_nobody TO "{shop.role}"')
    assert shop.refusal("SELECT id FROM orders") == "not_trusted"
    shop.as_root(f'REVOKE dbpower_nobody FROM "{shop.role}"')
    shop.as_root("ALTER FUNCTION dbpower.plan(text, bigint) SECURITY INVOKER")
    assert shop.refusal("SELECT id FROM orders") == "not_trusted"


def test_refusals_say_what_is_wrong_and_nothing_of_the_data(shop: Shop) -> None:
    shop.install()
    shop.as_app(f"SELECT id FROM orders WHERE state = '{CANARY}'")
    shop.as_app("ALTER TABLE orders RENAME TO archive")
    assert shop.refusal("SELECT id FROM orders WHERE state%") == "unresolved"
    shop.as_app("ALTER TABLE archive RENAME TO orders")
    with shop.site.server.connect(shop.database, shop.role, PASSWORD) as connection:
        connection.execute("BEGIN; LOCK TABLE orders")
        assert shop.refusal("SELECT id FROM orders WHERE state%") == "locked"
    shop.as_app(
        f"CREATE FUNCTION leaks() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN "
        f"IF current_user <> session_user THEN RAISE 'the {CANARY}'; END IF; RETURN 1; END $$"
    )
    shop.as_app("SELECT id FROM orders WHERE id = leaks()")
    assert shop.refusal("SELECT id FROM orders WHERE id = leaks()") == "failed"
    shop.as_app("VACUUM orders")
    assert shop.refusal("VACUUM orders") == "not_plannable"
    gone = {**shop.recorded("VACUUM orders"), "key": "1:1:1:t"}
    with pytest.raises(SourceError, match="forgotten"):
        shop.source().explain(gone)


def test_nothing_is_planned_where_everybody_may_put_functions(shop: Shop) -> None:
    shop.install()
    shop.as_app("SELECT id FROM orders")
    shop.as_root("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert shop.refusal("SELECT id FROM orders") == "open_schema"
    shop.as_root("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert shop.plan("SELECT id FROM orders")["nodes"]


def test_statements_of_superusers_and_of_roles_that_are_not_set_up_are_refused(shop: Shop) -> None:
    shop.install()
    root = Shop(shop.site, shop.folder, shop.database, "postgres")
    root.as_root("SELECT max(total) FROM orders")
    assert root.refusal("SELECT max(total) FROM orders") == "superuser"
    other = shop.role.replace("App", "Other")
    shop.as_root(f'CREATE ROLE "{other}" LOGIN PASSWORD \'{PASSWORD}\'; GRANT SELECT ON orders TO "{other}"')
    stranger = Shop(shop.site, shop.folder, shop.database, other)
    stranger.as_app("SELECT min(total) FROM orders")
    assert stranger.refusal("SELECT min(total) FROM orders") == "role_not_installed"


def test_postgresql_15_is_too_old(postgresql: PostgreSQL, tmp_path: Path) -> None:
    shop = open_shop(postgresql, tmp_path)
    shop.as_app("SELECT id FROM orders")
    assert shop.refusal("SELECT id FROM orders") == "version"


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE app PASSWORD 'x'",
        "/* SELECT */ DROP TABLE orders",
        "SELECT 1; DELETE FROM orders",
        '"select" 1',
        "EXECUTE prepared(1)",
        "",
    ],
)
def test_texts_that_are_not_one_statement_with_a_plan_are_not_sent(text: str) -> None:
    with pytest.raises(SourceError) as refused:
        check_text(text, Wanted("1:1:1:t", "1", "1", "1", fingerprint_id(fingerprint(text, dialect="postgres"))))
    assert refused.value.code == "not_plannable"


@pytest.mark.parametrize("text", ["(SELECT 1) UNION (SELECT $1);", "-- note\nWITH a AS (SELECT ';') SELECT * FROM a"])
def test_texts_of_one_statement_are_and_those_of_another_are_not(text: str) -> None:
    check_text(text, Wanted("1:1:1:t", "1", "1", "1", fingerprint_id(fingerprint(text, dialect="postgres"))))
    with pytest.raises(SourceError, match="another statement"):
        check_text(text, Wanted("1:1:1:t", "1", "1", "1", "0" * 16))


def test_a_plan_without_end_is_cut_and_says_so() -> None:
    node: dict[str, Any] = {"Node Type": "Seq Scan", "Filter": f"(a = '{CANARY}') " + "OR b " * 2000, "Unknown": CANARY}
    many = {"Node Type": "Append", "Plans": [node] * 5000}
    plan = plans.flatten(json.dumps([{"Plan": many}]))
    assert len(plan["nodes"]) + plan["omitted"] == 5001
    assert len(json.dumps(plan["nodes"])) < 2 * plans.MAX_BYTES
    assert CANARY not in json.dumps(plan)
    assert plan["nodes"][1]["filter"].endswith("…")


@pytest.mark.parametrize(
    "answer", ["", "[]", '{"Plan": 1}', '[{"Plan": {"Plans": 3, "Node Type": "x"}}]', "[" * 100_000]
)
def test_what_is_no_plan_is_refused(answer: str) -> None:
    with pytest.raises(plans.UnreadablePlanError):
        plans.flatten(answer)


def test_numbers_of_a_plan_stay_within_bounds_whatever_the_function_answers() -> None:
    """The function belongs to the role that ran the statement, which may have it answer anything."""
    answer = (
        '[{"Plan": {"Node Type": "x", "Total Cost": %s, "Plan Rows": -1e999, "Plan Width": NaN, "Startup Cost": -3}}]'
    )
    (node,) = plans.flatten(answer % ("9" * 400))["nodes"]
    assert node == {"depth": 0, "type": "x", "total_cost": plans.MAX_NUMBER, "startup_cost": 0}
