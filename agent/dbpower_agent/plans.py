"""A server's plan as the backend gets it: a closed list of members, without literals, bounded.

Conditions of a plan hold more than the statement does: constants of views, policies, partial indexes and inlined functions.
So every text of SQL goes through the fingerprint, and what is not on the list below stays here.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NODES: Final = 150
MAX_BYTES: Final = 48 * 1024
MAX_NAME: Final = 128
MAX_CONDITION: Final = 500
# A literal that a cut leaves open is hidden to the end, so that an expression may be cut before it is read.
MAX_EXPRESSION: Final = 5_000
MAX_NUMBER: Final = 10**15

NAMES: Final = {
    "Node Type": "type",
    "Operation": "operation",
    "Join Type": "join",
    "Strategy": "strategy",
    "Partial Mode": "partial_mode",
    "Scan Direction": "direction",
    "Parent Relationship": "parent",
    "Subplan Name": "subplan",
    "Schema": "schema",
    "Relation Name": "relation",
    "Alias": "alias",
    "Index Name": "index",
    "CTE Name": "cte",
    "Function Name": "function",
}
NUMBERS: Final = {
    "Startup Cost": "startup_cost",
    "Total Cost": "total_cost",
    "Plan Rows": "rows",
    "Plan Width": "width",
    "Workers Planned": "workers",
}
CONDITIONS: Final = {
    "Index Cond": "index_cond",
    "Recheck Cond": "recheck_cond",
    "TID Cond": "tid_cond",
    "Hash Cond": "hash_cond",
    "Merge Cond": "merge_cond",
    "Join Filter": "join_filter",
    "One-Time Filter": "one_time_filter",
    "Run Condition": "run_condition",
    "Filter": "filter",
    "Order By": "order_by",
    "Sort Key": "sort_key",
    "Presorted Key": "presorted_key",
    "Group Key": "group_key",
    "Cache Key": "cache_key",
}


class UnreadablePlanError(Exception):
    """What the server answered is no plan."""


def flatten(text: str) -> dict[str, Any]:
    """Return `nodes`, each with its `depth`, a node before what feeds it, and how many were left out (`omitted`).

    `text` is what EXPLAIN answers as JSON. Raise UnreadablePlanError.
    """
    try:
        answer = json.loads(text)
        root = answer[0]["Plan"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UnreadablePlanError from error
    nodes: list[dict[str, Any]] = []
    size = omitted = 0
    for raw, depth in _walk(root):
        if omitted or len(nodes) == MAX_NODES or size > MAX_BYTES:
            omitted += 1
            continue
        nodes.append({"depth": depth, **_node(raw)})
        size += len(json.dumps(nodes[-1]))
    if not nodes:
        raise UnreadablePlanError
    return {"nodes": nodes, "omitted": omitted}


def _walk(root: object) -> Iterator[tuple[dict[str, Any], int]]:
    waiting: list[tuple[object, int]] = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        if not isinstance(node, dict):
            raise UnreadablePlanError
        yield node, depth
        inner = node.get("Plans", [])
        if not isinstance(inner, list):
            raise UnreadablePlanError
        waiting.extend((child, depth + 1) for child in reversed(inner))


def _node(raw: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = {}
    for key, name in NAMES.items():
        if isinstance(value := raw.get(key), str) and value:
            node[name] = _printable(value)[:MAX_NAME]
    for key, name in NUMBERS.items():
        value = raw.get(key)
        # Compared and not turned into a float: the function that plans may answer a number that is none of those.
        if isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf:
            node[name] = min(max(value, 0), MAX_NUMBER)
    if raw.get("Parallel Aware") is True:
        node["parallel"] = True
    if "type" not in node:
        raise UnreadablePlanError
    found = {name: _condition(raw[key]) for key, name in CONDITIONS.items() if key in raw}
    return {**node, **{name: text for name, text in found.items() if text}}


def _condition(value: object) -> str:
    """One expression, or several as a list, without literals."""
    parts = value if isinstance(value, list) else [value]
    texts = [
        _printable(fingerprint(part[:MAX_EXPRESSION], dialect="postgres")) for part in parts if isinstance(part, str)
    ]
    text = ", ".join(texts)
    return text if len(text) <= MAX_CONDITION else text[: MAX_CONDITION - 1] + "…"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
