"""The OpenAPI schema, Swagger UI and the browsable API."""

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

from tests.api.callers import ANYBODY, content_of, signed_in
from tests.api.routes import FILES, ROUTES, Things
from tests.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def schema(db: None) -> dict[str, Any]:
    """The schema as it is served."""
    answer = ANYBODY.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    found: dict[str, Any] = content_of(answer)
    return found


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in schema["paths"].values() for operation in methods.values()]


def test_the_schema_is_valid_and_made_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
    assert capsys.readouterr().err == ""


def test_it_is_openapi_3(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.")
    assert all(path.startswith("/api/v1/") and not path.endswith("/") for path in schema["paths"])


def test_operation_ids_are_unique_words(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(schema)]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z][a-z_]*[a-z]", name) for name in ids)
    assert {"auth_token", "collectors_list", "collectors_retrieve", "heartbeat", "execute", "queries_bulk"} <= set(ids)


def test_agents_operations_take_the_key_and_peoples_the_token(schema: dict[str, Any]) -> None:
    for operation in operations(schema):
        schemes = {name for entry in operation.get("security", []) for name in entry}
        if operation["operationId"] in {"heartbeat", "execute", "key", "queries_bulk"}:
            assert schemes == {"collector"}
        elif not operation["operationId"].startswith(("auth_", "invitations_accept", "enrol")):
            assert "people" in schemes
    schemes = schema["components"]["securitySchemes"]
    assert schemes["collector"] == {"type": "apiKey", "in": "header", "name": "X-Collector-API-Key"}
    assert schemes["people"]["scheme"] == "bearer"


def test_no_answer_is_described_with_a_password_or_a_hash(schema: dict[str, Any]) -> None:
    for name, component in schema["components"]["schemas"].items():
        if name.endswith("Request"):
            continue
        assert not {"password", "api_key_hash", "current_password"} & set(component.get("properties", {})), name


def test_swagger_ui_loads_nothing_from_elsewhere(db: None) -> None:
    answer = ANYBODY.get("/api/docs")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    scripts = re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", page)
    assert scripts
    assert all(finders.find(path.removeprefix("/static/")) for path in scripts), scripts
    assert "<script>" not in page, "the policy allows no inline script"
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_browsable_api_is_for_a_session_and_anybody_else_is_401(prepared: Things) -> None:
    client = Client(headers={"Accept": "text/html"})
    assert client.get("/api/v1/collectors").status_code == 401
    client.force_login(prepared.cast.bob)
    for route in ROUTES:
        if route.method != "GET" or route.answers["lead"] != 200 or route.template in FILES:
            continue
        answer = client.get(f"/api/v1/{route.path(prepared.ids)}")
        assert answer.status_code == 200, route
        assert answer["Content-Type"].startswith("text/html")
        page = answer.content.decode()
        assert "Sample Srl" not in page, f"{route}: a form offers another tenant's names"
        assert "mallory" not in page


def test_a_session_cannot_change_anything_without_its_csrf_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    answer = client.patch(f"/api/v1/teams/{cast.shop.pk}", {"name": "x"}, content_type="application/json")
    assert answer.status_code == 403
    assert set(content_of(answer)) == {"detail", "code", "errors"}
    cast.shop.refresh_from_db()
    assert cast.shop.name == "Shop"


def test_every_answer_of_the_api_has_the_platforms_headers(cast: Cast) -> None:
    answer = signed_in(cast.bob).get("collectors")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "Content-Security-Policy" in answer
