"""What has to be run on a database server, once, so that an agent can read it: the least that is enough.

The agent examines the same itself (`dbpower-agent doctor`); the tests run these statements on real servers and ask it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collectors.domain.sources import Engine

# Stands in statements where somebody has to write a password of their own.
PASSWORD: Final = "choose-a-long-one"  # noqa: S105 - it is no password
USER: Final = "dbpower"
# Owns the function that agents call for plans, and may do nothing.
NOBODY: Final = "dbpower_nobody"
LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})


class Purpose(StrEnum):
    """What a group of statements is for."""

    ACCOUNT = "account"
    SLOW_LOG = "slow_log"
    EXTENSION = "extension"


@dataclass(frozen=True)
class Grant:
    """Statements that are run together, as an administrator of the server."""

    purpose: Purpose
    sql: str


def grants(engine: Engine, *, user: str = USER, host: str = "") -> list[Grant]:
    """Return what to run, in this order.

    `host` is the database's host as the agent names it: an agent on the same host comes from there, any other from anywhere
    (`%`), which whoever runs the statement may narrow. Names are quoted: they are data.
    """
    return _mysql(user or USER, host) if engine is Engine.MYSQL else _postgres(user or USER)


def plan_functions(*, role: str, user: str = USER) -> str:
    """Return what lets an agent that logs in as `user` ask for plans of the statements of `role`, in one database.

    A superuser runs it there. The inner function plans with the rights of the role that ran the statement, and plans only
    what is recorded as run by that role: whatever planning runs could run with those rights before. The outer one belongs to
    a role without rights, so that nothing runs with the agent's when the owner of the inner one changes it. Where everybody
    may put functions into a schema that names are looked up in, nothing is planned.
    """
    nobody, agent, owner = _name(NOBODY), _name(user or USER), _name(role)
    inner = f"dbpower.{_name('plan_as_' + role)}(bigint)"
    return _PLAN_FUNCTIONS.format(nobody=nobody, agent=agent, owner=owner, inner=inner)


_PLAN_FUNCTIONS: Final = """\
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
DO $do$ BEGIN CREATE ROLE {nobody} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $do$;
CREATE SCHEMA IF NOT EXISTS dbpower;
GRANT USAGE ON SCHEMA dbpower TO {agent}, {nobody};

CREATE OR REPLACE FUNCTION dbpower.plan(role text, queryid bigint) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $plan$
DECLARE made json;
BEGIN
  EXECUTE format('SELECT dbpower.%I($1)', 'plan_as_' || role) INTO made USING queryid;
  RETURN made;
END $plan$;
ALTER FUNCTION dbpower.plan(text, bigint) OWNER TO {nobody};
REVOKE ALL ON FUNCTION dbpower.plan(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dbpower.plan(text, bigint) TO {agent};

-- Once for each role. Names in statements are looked up as search_path says: write the role's own.
CREATE OR REPLACE FUNCTION {inner} RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "$user", public, pg_temp AS $plan$
DECLARE place text; recorded text; made json;
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
     WHERE n.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))
       AND a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE')
  THEN
    RAISE EXCEPTION USING ERRCODE = 'DB001', MESSAGE = 'everybody may create functions in a schema of search_path';
  END IF;
  SELECT n.nspname INTO STRICT place FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
   WHERE e.extname OPERATOR(pg_catalog.=) 'pg_stat_statements';
  EXECUTE pg_catalog.format(
    'SELECT s.query FROM %I.pg_stat_statements(true) AS s
       JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.userid
       JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.dbid
      WHERE s.queryid OPERATOR(pg_catalog.=) $1 AND r.rolname OPERATOR(pg_catalog.=) current_user
        AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
      ORDER BY s.toplevel DESC LIMIT 1', place)
    INTO STRICT recorded USING $1;
  IF pg_catalog.strpos(pg_catalog.rtrim(recorded, E'; \\n\\r\\t'), ';') OPERATOR(pg_catalog.>) 0 THEN
    RAISE feature_not_supported;
  END IF;
  EXECUTE pg_catalog.concat('EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) ', recorded) INTO made;
  RETURN made;
END $plan$;
ALTER FUNCTION {inner} OWNER TO {owner};
REVOKE ALL ON FUNCTION {inner} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {inner} TO {nobody};
"""


def _mysql(user: str, host: str) -> list[Grant]:
    account = f"{_text(user)}@{_text('127.0.0.1' if host in LOCAL else '%')}"
    return [
        Grant(
            Purpose.ACCOUNT,
            f"CREATE USER {account} IDENTIFIED BY {_text(PASSWORD)};\n"
            f"GRANT SELECT ON mysql.slow_log TO {account};\n"
            f"GRANT SELECT ON performance_schema.* TO {account};",
        ),
        Grant(
            Purpose.SLOW_LOG,
            "SET GLOBAL log_output = 'TABLE';\nSET GLOBAL long_query_time = 1;\nSET GLOBAL slow_query_log = ON;",
        ),
    ]


def _postgres(user: str) -> list[Grant]:
    role = _name(user)
    return [
        Grant(
            Purpose.ACCOUNT,
            f"CREATE ROLE {role} LOGIN PASSWORD {_text(PASSWORD)};\nGRANT pg_read_all_stats TO {role};",
        ),
        Grant(Purpose.EXTENSION, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;"),
    ]


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
