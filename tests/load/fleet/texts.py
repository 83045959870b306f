"""Fingerprints as applications leave them: from short lookups to reports of a page."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from dbpower_agent.fingerprint import fingerprint, fingerprint_id
from tests.load.fleet.loading import Cursor, Step, copy, keep_counting
from tests.load.fleet.plan import Plan, Tenant

_NOUNS: Final = (
    "orders order_lines customers invoices payments products stock shipments carts sessions events tickets messages accounts "
    "transfers ledgers prices discounts returns suppliers warehouses bookings rooms flights seats devices readings alerts users "
    "roles audits documents pages comments votes tags images files jobs tasks subscriptions plans coupons reviews addresses"
).split()
_COLUMNS: Final = (
    "status created_at updated_at customer_id product_id amount currency quantity name email country kind state priority "
    "total tax weight reference parent_id owner_id expires_at version position title price score locale channel"
).split()


def steps(plan: Plan) -> list[Step]:
    """Return the step that makes them."""
    return [Step("fingerprints", "fingerprints", plan.fingerprints / 1500, lambda cursor: _fingerprints(cursor, plan))]


def _fingerprints(cursor: Cursor, plan: Plan) -> int:
    columns = ("id", "organization_id", "fingerprint_id", "text", "created_at")
    rows = copy(cursor, "fingerprints", columns, _each(plan))
    keep_counting(cursor, "fingerprints")
    return rows


def _each(plan: Plan) -> Iterator[tuple[Any, ...]]:
    for tenant in plan.tenants:
        texts = _texts(plan, tenant)
        for pk, text in zip(tenant.fingerprints, texts, strict=False):
            seen = plan.begins_at - timedelta(days=1) + (plan.ends_at - plan.begins_at) * ((pk * 7) % 100 // 85 * 0.9)
            yield pk, tenant.pk, fingerprint_id(text), text, seen


def _texts(plan: Plan, tenant: Tenant) -> Iterator[str]:
    """Yield texts without end, none twice."""
    chance = plan.randomness(f"texts {tenant.pk}")
    seen: set[str] = set()
    while True:
        text = fingerprint(_statement(chance), dialect="postgres" if chance.random() < 0.5 else "mysql")
        if text not in seen:
            seen.add(text)
            yield text


def _statement(chance: random.Random) -> str:
    kinds = (_lookup, _lookup, _report, _list, _update, _insert, _delete, _count)
    return chance.choice(kinds)(chance)


def _lookup(chance: random.Random) -> str:
    table, columns = _table(chance), ", ".join(chance.sample(_COLUMNS, chance.randint(2, 9)))
    return f"SELECT id, {columns} FROM {table} WHERE {_condition(chance)} LIMIT 21"


def _list(chance: random.Random) -> str:
    table, other = _table(chance), _table(chance)
    columns = ", ".join(f"t.{name}" for name in chance.sample(_COLUMNS, chance.randint(3, 12)))
    return (
        f"SELECT t.id, {columns}, o.{chance.choice(_COLUMNS)} FROM {table} t JOIN {other} o ON o.id = t.{chance.choice(_COLUMNS)} "
        f"WHERE t.{_condition(chance)} AND o.{_condition(chance)} ORDER BY t.{chance.choice(_COLUMNS)} DESC LIMIT 50 OFFSET 100"
    )


def _report(chance: random.Random) -> str:
    joins = " ".join(
        f"LEFT JOIN {_table(chance)} j{n} ON j{n}.id = t.{chance.choice(_COLUMNS)}" for n in range(chance.randint(1, 6))
    )
    sums = ", ".join(f"SUM(t.{name}) AS {name}_sum" for name in chance.sample(_COLUMNS, chance.randint(2, 8)))
    group = chance.choice(_COLUMNS)
    return (
        f"SELECT date_trunc('day', t.created_at) AS day, t.{group}, {sums}, COUNT(*) FROM {_table(chance)} t {joins} "
        f"WHERE t.created_at >= '2026-01-01' AND t.{_condition(chance)} GROUP BY day, t.{group} HAVING COUNT(*) > 10 ORDER BY day"
    )


def _update(chance: random.Random) -> str:
    sets = ", ".join(f"{name} = 1" for name in chance.sample(_COLUMNS, chance.randint(1, 6)))
    return f"UPDATE {_table(chance)} SET {sets} WHERE {_condition(chance)}"


def _insert(chance: random.Random) -> str:
    columns = chance.sample(_COLUMNS, chance.randint(2, 14))
    return f"INSERT INTO {_table(chance)} ({', '.join(columns)}) VALUES ({', '.join('1' for _ in columns)})"


def _delete(chance: random.Random) -> str:
    return f"DELETE FROM {_table(chance)} WHERE {_condition(chance)}"


def _count(chance: random.Random) -> str:
    return f"SELECT COUNT(DISTINCT {chance.choice(_COLUMNS)}) FROM {_table(chance)} WHERE {_condition(chance)}"


def _condition(chance: random.Random) -> str:
    tests = ("= 5", "> 5", "IN (1, 2, 3)", "IS NOT NULL", "BETWEEN 1 AND 9")
    return " AND ".join(f"{name} {chance.choice(tests)}" for name in chance.sample(_COLUMNS, chance.randint(1, 4)))


def _table(chance: random.Random) -> str:
    noun = chance.choice(_NOUNS)
    return chance.choice((noun, f"{noun}_{chance.choice(('archive', 'history', 'items', 'links'))}"))
