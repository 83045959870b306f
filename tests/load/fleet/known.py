"""What people know of statements: notes and tags, and the plans that they have asked for."""

import random
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from collectors.domain import limits, plans
from tests.load.fleet.loading import Cursor, Step, copy, keep_counting
from tests.load.fleet.plan import Plan

# Of each database, so many of the dearest statements were asked for their plans.
PLANNED: Final = 10
_TABLES: Final = re.compile(r"(?:FROM|JOIN|INTO|UPDATE) (\w+)", re.IGNORECASE)
# One in thirty has notes, one in six has tags.
_NOTES: Final = """
INSERT INTO fingerprint_notes (organization_id, fingerprint_id, author_id, author_label, text, created_at)
SELECT f.organization_id, f.id, m.user_id, m.name,
    (ARRAY['The nightly report runs it.', 'Slow since the table has grown; an index is being built.', 'Known, and as quick as it gets.',
        'Comes from the search of the shop.', 'To be looked at before the next release.'])[1 + (f.id + n) %% 5],
    %(end)s - load_data.u(f.id, n, 51) * interval '60 days'
FROM fingerprints f CROSS JOIN generate_series(1, 1 + (load_data.u(f.id, 0, 52) ^ 3 * 9)::int) n
CROSS JOIN LATERAL (SELECT m.user_id, u.name FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.organization_id = f.organization_id ORDER BY m.id OFFSET n %% 3 LIMIT 1) m
WHERE f.id %% 30 = 0 OR f.id = ANY (%(planned)s) AND f.id %% 2 = 0 ORDER BY 6
"""
_TAGS: Final = """
INSERT INTO fingerprint_tags (organization_id, fingerprint_id, name)
SELECT f.organization_id, f.id, t.name
FROM fingerprints f
CROSS JOIN unnest(ARRAY['nightly', 'report', 'reviewed', 'orm', 'needs an index', 'checkout']) WITH ORDINALITY t (name, n)
WHERE (f.id %% 6 = 0 OR f.id = ANY (%(planned)s)) AND load_data.u(f.id, t.n, 53) < 0.4 ORDER BY f.id
"""
_WITH_PLANS: Final = """
SELECT id, organization_id, database_id, fingerprint_id, text FROM (
    SELECT s.id, s.organization_id, s.database_id, s.fingerprint_id, f.text,
        row_number() OVER (PARTITION BY s.database_id ORDER BY l.rate * l.mean DESC, s.id) AS place
    FROM load_data.statements l JOIN statements s ON s.id = l.id JOIN fingerprints f ON f.id = s.fingerprint_id
    JOIN monitored_databases d ON d.id = s.database_id JOIN teams t ON t.id = d.team_id AND t.plans
    WHERE s.source = 'pg_stat_statements'
) dear WHERE place <= %(place)s ORDER BY id
"""
_REQUESTS: Final = """
INSERT INTO collector_commands (organization_id, collector_id, command, params, state, result, requested_by_id, created_at, expires_at,
    delivered_at, ended_at)
SELECT p.organization_id, p.database_id, 'explain', jsonb_build_object('key', s.key, 'fingerprint_id', f.fingerprint_id), 'succeeded',
    jsonb_build_object('nodes', jsonb_array_length(p.nodes), 'omitted', 0), 2 + p.id %% 3, p.taken_at - interval '30 seconds',
    p.taken_at + interval '270 seconds', p.taken_at - interval '5 seconds', p.taken_at
FROM plans p JOIN statements s ON s.id = p.statement_id JOIN fingerprints f ON f.id = s.fingerprint_id ORDER BY p.taken_at
"""


def steps(plan: Plan) -> list[Step]:
    """Return the step that makes them."""
    return [Step("what is known", "notes and plans", plan.databases / 100, lambda cursor: _known(cursor, plan))]


def _known(cursor: Cursor, plan: Plan) -> int:
    cursor.execute(_WITH_PLANS.encode(), {"place": PLANNED})
    statements = cursor.fetchall()
    columns = ("organization_id", "database_id", "statement_id", "fingerprint_id", "shape", "nodes", "server_version")
    rows = copy(cursor, "plans", (*columns, "first_taken_at", "taken_at"), _plans(plan, statements))
    cursor.execute(_REQUESTS.encode(), {})
    rows += cursor.rowcount
    for sql in (_NOTES, _TAGS):
        cursor.execute(sql.encode(), {"end": plan.ends_at, "planned": [row[3] for row in statements]})
        rows += cursor.rowcount
    keep_counting(cursor, "collector_commands")
    return rows


def _plans(plan: Plan, statements: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the plans of each statement, each of another shape: one of most, a few of some."""
    chance = plan.randomness("plans")
    for pk, organization, database, fingerprint, text in statements:
        shapes = {plans.shape(nodes): nodes for nodes in _shapes(chance, text)}
        first = plan.ends_at - timedelta(days=min(plan.days, 60) * chance.uniform(0.4, 1))
        for (shape, nodes), (since, until) in zip(
            shapes.items(), _stretches(first, plan.ends_at, len(shapes)), strict=True
        ):
            place = (organization, database, pk, fingerprint)
            yield *place, shape, Jsonb(nodes), "15.18", since, until - timedelta(minutes=chance.uniform(5, 600))


def _stretches(first: datetime, last: datetime, count: int) -> Iterator[tuple[datetime, datetime]]:
    for number in range(count):
        yield first + (last - first) * (number / count), first + (last - first) * ((number + 1) / count)


def _shapes(chance: random.Random, text: str) -> Iterator[list[dict[str, Any]]]:
    for _ in range(1 + int(chance.random() ** 3 * limits.PLANS_KEPT)):
        yield _nodes(chance, text)


def _nodes(chance: random.Random, text: str) -> list[dict[str, Any]]:
    """Return a plan of the tables that a statement names: joined one to the other, sorted or added up at the top."""
    tables = _TABLES.findall(text) or ["orders"]
    nodes: list[dict[str, Any]] = []
    cost = chance.uniform(50, 90_000)
    top = "Aggregate" if "GROUP BY" in text.upper() or "COUNT" in text.upper() else "Sort"
    nodes.append({"depth": 0, "type": top, **_costs(cost), "sort_key": "created_at DESC"})
    for depth, table in enumerate(tables[1:], 1):
        join = chance.choice(("Hash Join", "Nested Loop", "Merge Join"))
        nodes.append({"depth": depth, "type": join, "join": "Inner", "parent": "Outer", **_costs(cost * 0.9**depth)})
        nodes[-1]["hash_cond"] = f"({table}.id = t.parent_id)"
    inner = [_scan(chance, table, depth + 1, "Inner") for depth, table in enumerate(tables[1:], 1)]
    return [*nodes, _scan(chance, tables[0], len(tables), "Outer"), *reversed(inner)]


def _scan(chance: random.Random, table: str, depth: int, parent: str) -> dict[str, Any]:
    named = {"depth": depth, "parent": parent, "schema": "public", "relation": table, **_costs(chance.uniform(8, 900))}
    if chance.random() < 0.4:
        return {**named, "type": "Seq Scan", "filter": "(state = $1)"}
    return {**named, "type": "Index Scan", "index": f"{table}_pkey", "index_cond": "(id = $1)"}


def _costs(cost: float) -> dict[str, Any]:
    return {
        "startup_cost": round(cost / 9, 2),
        "total_cost": round(cost, 2),
        "rows": float(int(cost * 3)),
        "width": 64.0,
    }
