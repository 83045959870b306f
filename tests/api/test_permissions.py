"""What holds of every route: strangers, ids, slashes, methods. Who may do what is in tests/access."""

import pytest
from django.test import Client

from tests.access.rows import undone
from tests.api.callers import V1, caller, content_of, is_error, signed_in
from tests.api.routes import ROUTES, Route, Things

pytestmark = pytest.mark.django_db
WITH_ID = [route for route in ROUTES if "{" in route.template and 404 in route.answers.values()]


@pytest.mark.parametrize("route", WITH_ID, ids=str)
def test_a_stranger_is_answered_as_if_the_object_did_not_exist(route: Route, prepared: Things) -> None:
    mallory = signed_in(prepared.cast.mallory)
    body = route.body(prepared) if route.body else None
    foreign = mallory.send(route.method, route.path(prepared.ids), body)
    absent_ids: dict[str, int | str] = {**dict.fromkeys(prepared.ids, 10**9), "queries": "F" * 16}
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
    name = "key" if route.for_agents else "root"
    body = route.body(prepared) if route.body else None
    answer = caller(prepared.cast, name).send(route.method, route.path(prepared.ids) + "/", body)
    assert answer.status_code == route.answers[name]


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


@pytest.mark.parametrize("who", ["anonymous", "root", "carol"])
def test_no_method_of_any_address_breaks_for_a_browser(who: str, prepared: Things) -> None:
    client = Client(headers={"Accept": "text/html"})
    if who != "anonymous":
        client.force_login(getattr(prepared.cast, who))
    for path in sorted({f"{V1}{route.path(prepared.ids)}" for route in ROUTES}):
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            body = b"" if method in ("GET", "HEAD", "OPTIONS") else b"{}"
            with undone():
                answer = client.generic(method, path, body, "application/json")
            assert answer.status_code < 500, (method, path)
