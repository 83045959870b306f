"""Who may do what through the API: every route of the schema, every caller. A route without a row fails."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.access.callers import callers
from tests.access.matrix import API
from tests.access.rows import stored, undone
from tests.api.callers import V1, is_error
from tests.api.routes import ROUTES, Route, things
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def operations() -> set[str]:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return {
        f"{method.upper()} {path.removeprefix(V1)}" for path, methods in schema["paths"].items() for method in methods
    }


def test_every_route_of_the_schema_is_in_the_table_and_the_other_way_round() -> None:
    assert set(API) == operations() == {str(route) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_each_caller_is_answered_as_the_table_says_and_who_is_refused_changes_nothing(route: Route, cast: Cast) -> None:
    prepared = things(cast)
    everybody = callers(cast)
    for caller in everybody.values():
        # That a key is used is noted, once a minute: here and not below.
        caller.post("queries/bulk", {"queries": []})
    before = stored()
    answers = {}
    for name, caller in everybody.items():
        with undone():
            answer = caller.send(route.method, route.path(prepared.ids), route.body(prepared) if route.body else None)
            answers[name] = answer.status_code
            if answer.status_code >= 400:
                assert is_error(answer), name
                assert stored() == before, name
        if answer.status_code == 401:
            assert answer["WWW-Authenticate"]
    assert answers == route.answers
