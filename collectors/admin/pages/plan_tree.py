"""A plan as a tree to read: each step with what it does, what it costs and what it applies."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from collectors.admin.display import Unit, in_unit, number
from collectors.domain import plans
from collectors.domain.plans import Node
from collectors.models import Plan

# As EXPLAIN names them: whoever reads plans knows these words in no other language.
_CONDITIONS: Final[Mapping[str, str]] = {
    "index_cond": "Index Cond",
    "recheck_cond": "Recheck Cond",
    "tid_cond": "TID Cond",
    "hash_cond": "Hash Cond",
    "merge_cond": "Merge Cond",
    "join_filter": "Join Filter",
    "one_time_filter": "One-Time Filter",
    "run_condition": "Run Condition",
    "filter": "Filter",
    "order_by": "Order By",
    "sort_key": "Sort Key",
    "presorted_key": "Presorted Key",
    "group_key": "Group Key",
    "cache_key": "Cache Key",
}
_AGGREGATES: Final = {"Sorted": "GroupAggregate", "Hashed": "HashAggregate", "Mixed": "MixedAggregate"}
_SHOWN_PARENTS: Final = frozenset({"InitPlan", "SubPlan"})
# Costs below that are told with their fraction.
_SMALL: Final = 100


@dataclass(frozen=True)
class Step:
    """One step. `opens` steps follow inside of it; otherwise its list and `closes` around it end behind it."""

    title: str
    target: str
    share: float
    cost: str
    rows: str
    row_count: int
    details: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    is_dear: bool
    is_different: bool
    opens: bool
    closes: range


@dataclass(frozen=True)
class Tree:
    """A plan and when it was made."""

    pk: int
    steps: list[Step]
    omitted: int
    cost: str
    first_taken_at: datetime
    taken_at: datetime
    server_version: str


def tree(plan: Plan, other: Plan | None = None) -> Tree:
    """Return a plan to read; steps that `other` does not have are marked."""
    nodes: Sequence[Node] = plan.nodes
    own = plans.own_costs(nodes)
    dear = plans.dearest(own)
    different = _different(nodes, other.nodes if other is not None else nodes)
    whole = sum(own) or 1
    depths = [int(node["depth"]) for node in nodes] + [0]
    steps = []
    for index, node in enumerate(nodes):
        after = depths[index + 1] if index + 1 < len(nodes) else 0
        steps.append(
            Step(
                title=_title(node),
                target=_target(node),
                share=100 * own[index] / whole,
                cost=_cost(node.get("total_cost")),
                rows=number(round(node.get("rows", 0))),
                row_count=round(node.get("rows", 0)),
                details=[(_CONDITIONS[name], node[name]) for name in plans.CONDITIONS if name in node],
                facts=_facts(node, own[index]),
                is_dear=index in dear,
                is_different=index in different,
                opens=after > depths[index],
                closes=range(max(0, depths[index] - after)),
            )
        )
    return Tree(
        pk=plan.pk,
        steps=steps,
        omitted=plan.omitted,
        cost=_cost(nodes[0].get("total_cost")),
        first_taken_at=plan.first_taken_at,
        taken_at=plan.taken_at,
        server_version=plan.server_version,
    )


def _different(nodes: Sequence[Node], others: Sequence[Node]) -> set[int]:
    left = Counter(plans.identity(node) for node in others)
    found = set()
    for index, node in enumerate(nodes):
        known = plans.identity(node)
        if left[known]:
            left[known] -= 1
        else:
            found.add(index)
    return found


def _title(node: Node) -> str:
    title, join = str(node["type"]), node.get("join", "Inner")
    if title == "Aggregate":
        title = _AGGREGATES.get(node.get("strategy", ""), title)
    elif title == "ModifyTable":
        title = str(node.get("operation", title))
    elif join != "Inner":
        title = title.replace(" Join", f" {join} Join") if title.endswith(" Join") else f"{title} {join} Join"
    if node.get("partial_mode") not in {None, "Simple"}:
        title = f"{node['partial_mode']} {title}"
    if node.get("direction") == "Backward":
        title = f"{title} Backward"
    return f"Parallel {title}" if node.get("parallel") else title


def _target(node: Node) -> str:
    """Return what the step reads, as EXPLAIN says it."""
    words = []
    if node.get("index"):
        words.append(f"using {node['index']}")
    name = node.get("relation") or node.get("cte") or node.get("function")
    if name:
        name = f"{node['schema']}.{name}" if node.get("schema") else name
        alias = node.get("alias")
        words.append(f"on {name}" if alias in {None, name, node.get("relation")} else f"on {name} {alias}")
    if node.get("parent") in _SHOWN_PARENTS or node.get("subplan"):
        words.append(f"({node.get('subplan') or node['parent']})")
    return " ".join(words)


def _facts(node: Node, own: float) -> list[tuple[str, str]]:
    facts = [
        (_("Cost until the first row"), _cost(node.get("startup_cost"))),
        (_("Cost until the last row"), _cost(node.get("total_cost"))),
        (_("Of that in this step"), _cost(own)),
        (_("Rows"), number(round(node.get("rows", 0)))),
        (_("Size of a row"), in_unit(node.get("width", 0), Unit.BYTES)),
    ]
    if node.get("workers"):
        facts.append((_("Workers"), number(round(node["workers"]))))
    return facts


def _cost(value: Any) -> str:
    return number(value, 2 if value is not None and value < _SMALL else 0)
