"""Who may do what: every route, every caller. A route without a row fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from tests.api.callers import CALLERS, V1, caller, content_of, is_error, signed_in
from tests.api.routes import ROUTES, Route, Things

pytestmark = pytest.mark.django_db
WITH_ID = [route for route in ROUTES if "{" in route.template and 404 in route.statuses]


@contextmanager
def undone() -> Iterator[None]:
    """Undo what the block does, so that each caller finds the same rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def operations() -> set[str]:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return {
        f"{method.upper()} {path.removeprefix(V1)}" for path, methods in schema["paths"].items() for method in methods
    }


def test_every_route_of_the_schema_is_in_the_table_and_the_other_way_round() -> None:
    assert {str(route) for route in ROUTES} == operations()


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_each_caller_is_answered_as_the_table_says(route: Route, prepared: Things) -> None:
    assert len(route.statuses) == len(CALLERS)
    path = route.path(prepared.ids)
    answers = {}
    for name in CALLERS:
        with undone():
            body = route.body(prepared) if route.body else None
            answer = caller(prepared.cast, name).send(route.method, path, body)
        answers[name] = answer.status_code
        if answer.status_code >= 400:
            assert is_error(answer), name
        if answer.status_code == 401:
            assert answer["WWW-Authenticate"]
    assert answers == dict(zip(CALLERS, route.statuses, strict=True))


@pytest.mark.parametrize("route", WITH_ID, ids=str)
def test_a_stranger_is_answered_as_if_the_object_did_not_exist(route: Route, prepared: Things) -> None:
    mallory = signed_in(prepared.cast.mallory)
    body = route.body(prepared) if route.body else None
    foreign = mallory.send(route.method, route.path(prepared.ids), body)
    absent_ids = dict.fromkeys(prepared.ids, 10**9)
    absent = mallory.send(route.method, route.path(absent_ids), body)
    assert foreign.status_code == absent.status_code == 404
    assert foreign.content == absent.content
    assert {name: value for name, value in foreign.items() if name != "Date"} == dict(absent.items())


@pytest.mark.parametrize("route", WITH_ID, ids=str)
def test_a_huge_id_is_answered_as_an_absent_one(route: Route, prepared: Things) -> None:
    root = signed_in(prepared.cast.root)
    body = route.body(prepared) if route.body else None
    for number in ("0", str(2**63 - 1), str(2**63), "9" * 19, "9" * 40):
        parts = [number if part.startswith("{") else part for part in route.template.split("/")]
        answer = root.send(route.method, "/".join(parts), body)
        assert answer.status_code == 404, number
        assert is_error(answer), number


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_slash_at_the_end_is_accepted(route: Route, prepared: Things) -> None:
    name = "key" if route.statuses[-1] == 200 and route.statuses[0] == 401 else "root"
    body = route.body(prepared) if route.body else None
    answer = caller(prepared.cast, name).send(route.method, route.path(prepared.ids) + "/", body)
    assert answer.status_code == route.statuses[CALLERS.index(name)]


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.template], ids=str)
def test_methods_that_a_route_does_not_have_are_405(route: Route, prepared: Things) -> None:
    has = {other.method for other in ROUTES if other.template.replace("_pk", "") == route.template.replace("_pk", "")}
    for method in {"PUT", "POST", "PATCH", "DELETE", "TRACE"} - has:
        answer = signed_in(prepared.cast.root).send(method, route.path(prepared.ids), {})
        assert answer.status_code in (405, 401), method
        assert is_error(answer)


def test_a_changed_role_counts_from_the_next_request(prepared: Things) -> None:
    carol = signed_in(prepared.cast.carol)
    path = f"collectors/{prepared.ids['collectors']}"
    assert carol.get(path).status_code == 404
    prepared.cast.carol.memberships.update(role="TEAM_LEAD")
    assert carol.get(path).status_code == 200
    prepared.cast.carol.memberships.all().delete()
    assert carol.get(path).status_code == 404
    assert content_of(carol.get("databases"))["count"] == 0
