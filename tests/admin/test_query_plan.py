"""The plan on a statement's page: asked for, waited for, shown; in plain words where there is none."""

from typing import Any

import pytest
from django.test import Client

from collectors.domain.roles import Role
from collectors.models import Command, Fingerprint, Statement
from collectors.services import people
from tests.admin.conftest import Visit
from tests.cast import SOMEBODY, Cast, person
from tests.domain.test_plans import SCAN, reported
from tests.services.test_plans import ask, known_statement, report

pytestmark = pytest.mark.django_db

JOIN: dict[str, Any] = {
    "depth": 1,
    "type": "Hash Join",
    "join": "Left",
    "total_cost": 95,
    "rows": 1234,
    "hash_cond": "(a.x = b.y)",
}
INNER: dict[str, Any] = {
    "depth": 2,
    "type": "Index Scan",
    "relation": "b",
    "index": "b_y",
    "total_cost": 5,
    "alias": "b<",
}


def address(statement: Statement, part: str = "") -> str:
    return f"/admin/queries/{statement.fingerprint_id}/{part}"


def shown(client: Client, where: str) -> str:
    answer = client.get(where, headers={"HX-Request": "true"} if where.endswith("/plan/") else {})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_plan_is_asked_for_and_waited_for_and_shown(cast: Cast, visit: Visit) -> None:
    statement = known_statement(cast)
    client = visit(cast.dave)
    page = shown(client, address(statement))
    assert "Nobody has asked for the plan" in page
    assert "every 2s" not in page.split('id="plan"')[1].split(">")[0]
    answer = client.post(address(statement, "plan/"), {"statement": statement.pk}, headers={"HX-Request": "true"})
    assert "hears of it with its next heartbeat" in answer.content.decode()
    assert 'hx-trigger="every 2s' in answer.content.decode()
    report(cast, Command.objects.get(), reported(JOIN, {**SCAN, "depth": 2}, INNER, omitted=3))
    part = shown(client, address(statement, "plan/"))
    assert 'hx-trigger="every 2s' not in part
    for words in (
        "Hash Left Join",
        "on orders",
        "using b_y on b b&lt;",
        "cost 100",
        "1,234 rows",
        "Hash Cond",
        "3 more steps",
    ):
        assert words in part, words
    assert part.count("<li>") == part.count("</li>") == 4
    assert part.count('<ul class="dbpower-plan-tree">') + part.count("<ul>") == part.count("</ul>") == 3
    assert part.count("dbpower-plan-mark") == 1


def test_a_form_without_htmx_leads_back_to_the_page(cast: Cast, visit: Visit) -> None:
    statement = known_statement(cast)
    answer = visit(cast.alice).post(address(statement, "plan/"), {"statement": statement.pk})
    assert (answer.status_code, answer["Location"]) == (302, f"{address(statement)}?statement={statement.pk}#plan")
    assert Command.objects.get().requested_by == cast.alice


def test_a_plan_that_changed_is_compared_with_the_one_before(cast: Cast, visit: Visit) -> None:
    statement = known_statement(cast)
    report(cast, ask(statement), reported(SCAN))
    report(cast, ask(statement), reported({**SCAN, "type": "Bitmap Heap Scan"}))
    older = statement.plans.last()
    assert older is not None
    client = visit(cast.dave)
    assert "only here" not in shown(client, address(statement))
    compared = shown(client, f"{address(statement)}?statement={statement.pk}&plan={older.pk}")
    assert compared.count("only here") == 2
    assert compared.count("Seq Scan") == compared.count("Bitmap Heap Scan") == 1


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"code": "unknown_command"}, "too old for plans"),
        ({"code": "version", "detail": "x"}, "PostgreSQL 16"),
        ({"code": "not_installed"}, "not installed in this database"),
        ({"code": "something_new", "detail": "<b>the moon</b>"}, "&lt;b&gt;the moon"),
        (None, "gave no reason"),
    ],
)
def test_a_refusal_is_told_in_plain_words(cast: Cast, visit: Visit, result: Any, words: str) -> None:
    statement = known_statement(cast)
    report(cast, ask(statement), result, success=False)
    part = shown(visit(cast.dave), address(statement))
    assert words in part
    # What mends it is for whoever may ask, with the agent's role and the statement's in it.
    assert ("plan_as_app&quot;(bigint) OWNER TO &quot;app" in part) == (result == {"code": "not_installed"})


def test_whoever_may_not_command_collectors_reads_plans_and_cannot_ask(cast: Cast, visit: Visit) -> None:
    statement = known_statement(cast)
    reader = person("erin@example.org", Role.USER, cast.example, cast.warehouse)
    report(cast, ask(statement), reported(SCAN))
    client = visit(reader)
    page = shown(client, address(statement))
    assert "Seq Scan" in page
    assert "Ask for the plan" not in page
    assert client.post(address(statement, "plan/"), {"statement": statement.pk}).status_code == 403
    report(cast, ask(statement), {"code": "not_installed"}, success=False)
    assert "CREATE OR REPLACE FUNCTION" not in shown(client, address(statement))
    for stranger in (cast.mallory, cast.carol):
        assert visit(stranger).get(address(statement, "plan/")).status_code == 404
        assert visit(stranger).post(address(statement, "plan/"), {"statement": statement.pk}).status_code == 404


def test_where_plans_are_off_or_impossible_one_sentence_says_why(cast: Cast, visit: Visit) -> None:
    statement = known_statement(cast)
    report(cast, ask(statement), reported(SCAN))
    people.change_team(team=cast.warehouse, plans=False, actor=SOMEBODY)
    page = shown(visit(cast.alice), address(statement))
    assert "switched off for the team Warehouse" in page
    assert f"/admin/collectors/team/{cast.warehouse.pk}/change/" in page
    assert "Ask for the plan" not in page
    Statement.objects.update(source="slow_log")
    assert "MySQL and MariaDB plan a statement only with its literals" in shown(visit(cast.alice), address(statement))
    assert Fingerprint.objects.count() == 1


def test_each_place_where_it_ran_has_its_own_plan(cast: Cast, visit: Visit) -> None:
    first = known_statement(cast)
    second = known_statement(cast, "11:5:77:t", user_name="report")
    report(cast, ask(first), reported(SCAN))
    client = visit(cast.dave)
    assert "Seq Scan" in shown(client, address(first))
    other = shown(client, f"{address(first)}?statement={second.pk}")
    assert "warehouse-pg · shop · report" in other
    assert "Seq Scan" not in other
