"""What people did, sealed as the product seals it, so that `verify_audit` finds nothing wrong."""

from collections.abc import Iterator
from typing import Any, Final

from psycopg.types.json import Jsonb

from collectors.domain.audit_chain import START, seal_of
from collectors.models import AuditEntry
from tests.load.fleet.loading import Cursor, Step, copy, keep_counting
from tests.load.fleet.plan import Plan

_COLUMNS: Final = (
    *(
        "id",
        "organization_id",
        "user_id",
        "collector_id",
        "actor",
        "action",
        "object_type",
        "object_id",
        "object_label",
    ),
    *("before", "after", "address", "created_at", "position", "seal"),
)
_ACTIONS: Final = (
    *("collector.collect", "collector.collect", "collector.start", "collector.stop", "collector.change", "auth.login"),
    *("auth.login", "auth.login_refused", "membership.create", "collector.register", "access.refused"),
)


def steps(plan: Plan) -> list[Step]:
    """Return the step that makes them: three for each collector."""
    entries = plan.collectors * 3
    return [Step("audit", "histories", entries / 15_000, lambda cursor: _audit(cursor, plan, entries))]


def _audit(cursor: Cursor, plan: Plan, entries: int) -> int:
    chains: dict[int, tuple[int, str]] = {}
    rows = copy(cursor, "audit_entries", _COLUMNS, _each(plan, entries, chains))
    ends = ((organization, position, seal) for organization, (position, seal) in chains.items())
    rows += copy(cursor, "audit_chains", ("organization_id", "position", "seal"), ends)
    keep_counting(cursor, "audit_entries")
    return rows


def _each(plan: Plan, entries: int, chains: dict[int, tuple[int, str]]) -> Iterator[tuple[Any, ...]]:
    chance = plan.randomness("audit")
    length = plan.ends_at - plan.begins_at
    weights = [len(tenant.databases) for tenant in plan.tenants]
    for pk, tenant in enumerate(chance.choices(plan.tenants, weights, k=entries), 1):
        action = chance.choice(_ACTIONS)
        noun = "user" if action.startswith("auth") else action.partition(".")[0]
        target = chance.choice(tenant.databases)
        entry = AuditEntry(
            pk=pk,
            organization_id=tenant.pk,
            user_id=2 + pk % 100,
            actor=f"team.lead{chance.choice(tenant.teams)}@{tenant.domain}",
            action=action,
            object_type=noun,
            object_id=target,
            object_label=f"{noun} {target}",
            before={},
            after={"command": "collect"} if noun == "collector" else {},
            address=f"10.1.{pk % 250}.{pk % 199}",
            created_at=plan.begins_at + length * (pk / (entries + 1)),
        )
        position, seal = chains.get(tenant.pk, (0, START))
        entry.position, entry.seal = position + 1, seal_of(seal, position + 1, entry.content())
        chains[tenant.pk] = (entry.position, entry.seal)
        yield tuple(
            Jsonb(getattr(entry, name)) if name in {"before", "after"} else getattr(entry, name) for name in _COLUMNS
        )
