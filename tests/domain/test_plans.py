"""Plans as agents report them."""

from typing import Any

import pytest

from collectors.domain import limits, plans
from collectors.domain.reading import Invalid

SCAN = {"depth": 1, "type": "Seq Scan", "relation": "orders", "total_cost": 90.5, "rows": 12}


def reported(*nodes: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "server_version": "17.5",
        "nodes": [{"depth": 0, "type": "Sort", "total_cost": 100}, *nodes],
        "omitted": 0,
        **members,
    }


def test_a_plan_is_taken_as_it_is() -> None:
    plan = plans.parse_plan(reported({**SCAN, "parallel": True, "filter": "a #> ? AND \"Odd 7\".b = 7 AND c = 'x'"}))
    assert [node["depth"] for node in plan.nodes] == [0, 1]
    # Literals that an agent would have taken out do not come through either.
    assert plan.nodes[1]["filter"] == 'a #> ? AND "Odd 7".b = ? AND c = ?'
    assert plan.nodes[1]["parallel"] is True


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        reported(nodes=[]),
        reported({**SCAN, "depth": 2}),
        reported({**SCAN, "depth": 0}),
        reported({**SCAN, "total_cost": -1}),
        reported({**SCAN, "total_cost": True}),
        reported({**SCAN, "rows": "many"}),
        reported({**SCAN, "literal": "x"}),
        reported({**SCAN, "filter": "x" * (limits.MAX_PLAN_CONDITION_CHARACTERS + 1)}),
        reported({**SCAN, "type": ""}),
        reported(*[SCAN] * limits.MAX_PLAN_NODES),
        reported(SCAN, query="SELECT 1"),
        reported(SCAN, omitted=-1),
        reported(SCAN, server_version=17),
    ],
)
def test_what_is_not_of_the_wires_shape_is_refused(body: Any) -> None:
    with pytest.raises(Invalid):
        plans.parse_plan(body)


def test_a_plan_keeps_its_shape_when_only_numbers_change() -> None:
    first, other = plans.parse_plan(reported(SCAN)).nodes, plans.parse_plan(reported({**SCAN, "rows": 9e9})).nodes
    assert plans.shape(first) == plans.shape(other)
    changed = plans.parse_plan(reported({**SCAN, "type": "Index Scan"})).nodes
    assert plans.shape(first) != plans.shape(changed)


def test_the_dearest_steps_are_told_by_what_they_add() -> None:
    costs = plans.own_costs(
        [
            {"depth": 0, "total_cost": 100.0},
            {"depth": 1, "total_cost": 90.0},
            {"depth": 2, "total_cost": 60.0},
            {"depth": 2, "total_cost": 25.0},
            {"depth": 1, "total_cost": 4.0},
        ]
    )
    assert costs == [6.0, 5.0, 60.0, 25.0, 4.0]
    assert plans.dearest(costs) == {2, 3}
    assert plans.dearest([0.0, 0.0]) == set()
