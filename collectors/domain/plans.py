"""Plans of statements as typed values. `parse_plan` reads an agent's untrusted report; see docs/wire.md for its shape."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from collectors.domain import limits
from collectors.domain.reading import Invalid, Reader
from collectors.domain.statements import mask_expression

_NAMES: Final = (
    "type",
    "operation",
    "join",
    "strategy",
    "partial_mode",
    "direction",
    "parent",
    "subplan",
    "schema",
    "relation",
    "alias",
    "index",
    "cte",
    "function",
)
_NUMBERS: Final = ("startup_cost", "total_cost", "rows", "width", "workers")
# In the order in which a plan's step applies them.
CONDITIONS: Final = (
    "index_cond",
    "recheck_cond",
    "tid_cond",
    "hash_cond",
    "merge_cond",
    "join_filter",
    "one_time_filter",
    "run_condition",
    "filter",
    "order_by",
    "sort_key",
    "presorted_key",
    "group_key",
    "cache_key",
)
# At most so many steps are marked as the dearest, and only those with so much of the whole cost, in percent.
_DEAREST: Final = 3
_DEAR_PERCENT: Final = 15

Node = Mapping[str, Any]


class Refusal(StrEnum):
    """Why there is no plan, as agents say it. Agents may know more reasons, and older ones fewer."""

    UNKNOWN_COMMAND = "unknown_command"
    STANDBY = "standby"
    NO_PLANS = "no_plans"
    VERSION = "version"
    NOT_INSTALLED = "not_installed"
    NOT_TRUSTED = "not_trusted"
    NOT_GRANTED = "not_granted"
    ROLE_NOT_INSTALLED = "role_not_installed"
    OPEN_SCHEMA = "open_schema"
    SUPERUSER = "superuser"
    STATEMENT_GONE = "statement_gone"
    NOT_PLANNABLE = "not_plannable"
    UNRESOLVED = "unresolved"
    PERMISSION_DENIED = "permission_denied"
    TIMEOUT = "timeout"
    LOCKED = "locked"
    READ_ONLY = "read_only"


# What the statements of `grants.plan_functions` mend.
MENDED_BY_FUNCTIONS: Final = frozenset(
    {Refusal.NOT_INSTALLED, Refusal.NOT_TRUSTED, Refusal.NOT_GRANTED, Refusal.ROLE_NOT_INSTALLED}
)


@dataclass(frozen=True)
class ReportedPlan:
    """A plan: its steps in depth-first order, each with its `depth`, and how many the agent left out."""

    server_version: str
    nodes: list[dict[str, Any]]
    omitted: int


def parse_plan(value: Any) -> ReportedPlan:
    """Return the plan that an agent reports. Raises `Invalid` for anything that is not of the wire's shape."""
    if not isinstance(value, dict):
        raise Invalid({"plan": ["An object is needed."]})
    reader = Reader(value, "plan.")
    _refuse_unknown(reader, {"server_version", "nodes", "omitted"})
    plan = ReportedPlan(
        server_version=reader.text("server_version", maximum=limits.MAX_PLAN_NAME_CHARACTERS),
        nodes=reader.each("nodes", _node, limits.MAX_PLAN_NODES),
        omitted=reader.integer("omitted", maximum=limits.MAX_REPORTED_COUNT),
    )
    if not reader.errors and not _is_tree(plan.nodes):
        reader.fail("nodes", "The depths are those of no tree.")
    if reader.errors:
        raise Invalid(reader.errors)
    return plan


def _node(reader: Reader) -> dict[str, Any]:
    _refuse_unknown(reader, {"depth", "parallel", *_NAMES, *_NUMBERS, *CONDITIONS})
    node: dict[str, Any] = {"depth": reader.integer("depth", maximum=limits.MAX_PLAN_NODES)}
    node["type"] = reader.text("type", maximum=limits.MAX_PLAN_NAME_CHARACTERS, minimum=1)
    for name in _NAMES[1:]:
        if (text := reader.optional_text(name, maximum=limits.MAX_PLAN_NAME_CHARACTERS)) is not None:
            node[name] = text
    for name in _NUMBERS:
        if reader.body.get(name) is not None:
            node[name] = _number(reader, name)
    if reader.boolean("parallel"):
        node["parallel"] = True
    for name in CONDITIONS:
        if (text := reader.optional_text(name, maximum=limits.MAX_PLAN_CONDITION_CHARACTERS)) is not None:
            # The agent has taken the literals out. What else sends plans is not believed to.
            node[name] = mask_expression(text)
    return node


def _number(reader: Reader, name: str) -> float:
    value = reader.body[name]
    if type(value) in (int, float) and 0 <= value <= limits.MAX_REPORTED_COUNT:
        return float(value)
    reader.fail(name, f"A number from 0 to {limits.MAX_REPORTED_COUNT} is needed.")
    return 0.0


def _refuse_unknown(reader: Reader, known: set[str]) -> None:
    for name in sorted(set(reader.body) - known)[:1]:
        reader.fail(name[: limits.MAX_PLAN_NAME_CHARACTERS], "There is no such member.")


def _is_tree(nodes: Sequence[Node]) -> bool:
    """Tell whether each step but the first is at most one deeper than the one before, and none beside the first."""
    depths = [node["depth"] for node in nodes]
    steps = itertools.pairwise(depths)
    return bool(depths) and depths[0] == 0 and all(1 <= depth <= before + 1 for before, depth in steps)


def shape(nodes: Sequence[Node]) -> str:
    """Return what tells plans apart: everything but their numbers, which change with the tables' statistics."""
    told = [{name: value for name, value in node.items() if name not in _NUMBERS} for node in nodes]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def identity(node: Node) -> tuple[Any, ...]:
    """Return what a step does, wherever it stands in its plan."""
    return tuple((name, value) for name, value in sorted(node.items()) if name not in {"depth", "parent", *_NUMBERS})


def own_costs(nodes: Sequence[Node]) -> list[float]:
    """Return what each step adds to the cost of those that feed it, in the planner's units."""
    own = [float(node.get("total_cost", 0)) for node in nodes]
    path: list[int] = []
    for number, node in enumerate(nodes):
        del path[node["depth"] :]
        if path:
            own[path[-1]] -= float(node.get("total_cost", 0))
        path.append(number)
    return [max(0.0, cost) for cost in own]


def dearest(costs: Sequence[float]) -> set[int]:
    """Return the numbers of the steps that most of the cost is in."""
    whole = sum(costs)
    ordered = sorted(range(len(costs)), key=lambda number: -costs[number])
    return {number for number in ordered[:_DEAREST] if whole and 100 * costs[number] >= _DEAR_PERCENT * whole}
