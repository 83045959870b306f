"""Who may do what in the admin: every address of the site, both methods, every caller. An address without a row fails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from collectors.models import User
from tests.access.admin_routes import Place, Route, place, routes
from tests.access.callers import people
from tests.access.matrix import ADMIN
from tests.access.rows import stored, undone
from tests.cast import assemble

pytestmark = pytest.mark.django_db

# Pages are the same on either database; what is written is asked of both.
ROUTES = [route for route in routes() if route.method == "POST" or connection.vendor == "sqlite"]
ABSENT = 999_999
# Answers that an object and an absent one have in common, so that nobody can tell which it was.
REFUSED = {"absent", "403", "404"}
# Told by the clock, and by the length of the id.
TIMED = {"Expires", "Content-Length"}
# One for all: each new one would load the middleware anew, which looks for static files first.
_CLIENT = Client()
CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]+"')


@dataclass
class World:
    """The rows, and what each caller sends along with every request."""

    place: Place
    cookies: dict[str, dict[str, str]]
    headers: dict[str, dict[str, str]]

    def ask(self, caller: str, route: Route, pk: int | None = None) -> Any:
        """Ask as that caller."""
        _CLIENT.cookies = SimpleCookie(self.cookies.get(caller, {}))
        data = self.place.query(route) if route.method == "GET" else self.place.form(route)
        ask = _CLIENT.get if route.method == "GET" else _CLIENT.post
        return ask(self.place.path(route, pk), data, headers=self.headers.get(caller))


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Make everything once: each request is undone, and in the end so is this."""
    with django_db_blocker.unblock(), undone():
        cast = assemble()
        everybody = people(cast)
        made = World(place(cast), {}, {"key": {"X-Collector-API-Key": cast.key}})
        for name, user in everybody.items():
            if isinstance(user, User):
                _CLIENT.cookies = SimpleCookie()
                _CLIENT.force_login(user)
                made.cookies[name] = {name: morsel.value for name, morsel in _CLIENT.cookies.items()}
        yield made


def test_every_address_of_the_admin_is_in_the_table_and_the_other_way_round() -> None:
    assert sorted(ADMIN) == sorted(str(route) for route in routes())


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_each_caller_is_answered_as_the_table_says_and_who_is_refused_changes_nothing(
    route: Route, world: World
) -> None:
    before = stored()
    found = {}
    for caller in route.answers:
        with undone():
            answer = world.ask(caller, route)
            assert answer.status_code < 500
            # Looking must not change anything for anybody, so that it is enough to compare once, below.
            changed = route.method == "POST" and stored() != before
            found[caller] = "done" if changed and answer.status_code < 400 else word(answer)
            assert not changed or found[caller] == "done", caller
    assert stored() == before
    assert found == route.answers


@pytest.mark.parametrize("route", [route for route in ROUTES if "{id}" in route.template], ids=str)
def test_an_object_is_to_whoever_may_not_see_it_like_an_absent_one(route: Route, world: World) -> None:
    row = world.place.rows.get(route.model, world.place.cast.collector)
    for caller, expected in route.answers.items():
        if caller not in {"root", "admin", "lead", "user"} and expected in REFUSED:
            with undone():
                there = traits(world.ask(caller, route), row.pk)
            with undone():
                assert there == traits(world.ask(caller, route, ABSENT), ABSENT), caller


def word(answer: Any) -> str:
    """Return the answer as the table says it."""
    location = answer.headers.get("Location", "")
    if answer.status_code == 302 and location.startswith("/admin/login/"):
        return "login"
    if location == "/admin/" and any(
        "Perhaps it was deleted" in str(text) for text in get_messages(answer.wsgi_request)
    ):
        return "absent"
    return str(answer.status_code)


def traits(answer: Any, pk: int) -> tuple[Any, ...]:
    """Return all that a caller can tell an answer by, with the id that was asked for taken out."""
    said = [_without(str(message), pk) for message in get_messages(answer.wsgi_request)]
    headers = {name: _without(value, pk) for name, value in answer.headers.items() if name not in TIMED}
    content = _without(CSRF.sub(b"", answer.content).decode(), pk)
    return answer.status_code, headers, sorted(answer.cookies), said, content


def _without(text: str, pk: int) -> str:
    return text.replace(f"/{pk}/", "/ID/").replace(f"“{pk}”", "“ID”")
