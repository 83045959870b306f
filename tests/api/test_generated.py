"""Requests made from the OpenAPI schema, and bodies made against it, sent to a live server with the credentials of each role.

Whatever comes, no answer is a 5xx, and every answer is one that the schema describes. That a body which fits the schema is
taken is not asked: whether an id exists, or a password is strong, no schema can say.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.routes import FILES
from tests.cast import PASSWORD
from tests.servers.control_plane import ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
QUICKLY: Final = settings(
    max_examples=3,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
ROLES: Final = {"admin": "ORG_ADMIN", "lead": "TEAM_LEAD", "user": "USER"}
# These would end what the other requests sign in with.
LEFT_OUT: Final = ("/auth/logout", "/users/me/password")


class Served:
    """A control plane with an organization, and the credentials of each role in it."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.root = control_plane.log_in()
        organization = self._post("organizations", {"name": "Example GmbH"})["id"]
        team = self._post("teams", {"name": "Shop", "organization_id": organization})["id"]
        collector = self._post("collectors/register", {"name": "a", "type": "mysql", "team_id": team})
        self.collector = collector["id"]
        self.agent = {"X-Collector-API-Key": collector["api_key"]}
        self.callers = {"root": self.root, "anonymous": {}, "agent": self.agent}
        for name, role in ROLES.items():
            email = f"{name}@example.org"
            user = self._post("users", {"email": email, "password": PASSWORD})["id"]
            place = {"organization_id": organization} | ({} if name == "admin" else {"team_id": team})
            self._post("memberships", {"user_id": user, "role": role, **place})
            tokens = control_plane.api("POST", "auth/token", {"email": email, "password": PASSWORD}).json()
            self.callers[name] = {"Authorization": f"Bearer {tokens['access']}"}

    def _post(self, path: str, body: Any) -> Any:
        answer = self.control_plane.api("POST", path, body, **self.root)
        assert answer.status_code < 300, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with ControlPlane() as running:
        yield Served(running)


@pytest.mark.parametrize("caller", ["root", "admin", "lead", "user", "agent", "anonymous"])
def test_every_answer_to_a_generated_request_is_one_that_the_schema_describes(caller: str, served: Served) -> None:
    schema = schemathesis.openapi.from_url(f"{served.control_plane.address}/api/schema?format=json")
    headers = served.callers[caller]
    found: list[str] = []
    sent = 0
    for made in schema.get_all_operations():
        operation: Any = made.ok()  # type: ignore[union-attr] # one that is none fails here
        if operation.path.endswith(LEFT_OUT) or operation.path.removeprefix("/api/v1/") in FILES:
            continue
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @QUICKLY
        @given(case=st.one_of(modes))
        def send(case: Any) -> None:
            nonlocal sent
            sent += 1
            case.headers.pop("Authorization", None)
            answer = case.call(headers=headers)
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as failures:
                found.extend(f"{case.method} {case.path}: {failure}" for failure in failures.exceptions)

        send()
    assert sent > 100
    assert found == []


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# Bodies that an agent might send, with anything in the place of any member.
BODIES: Final[dict[str, dict[str, Any]]] = {
    "collectors/{id}/heartbeat": {
        "stats": {
            "queries_collected": 1,
            "errors_count": 0,
            "uptime_seconds": 5,
            "instance": "a" * 32,
            "version": "0.1.0",
            "auto_collect": True,
            "config_version": 1,
            "last_collection_age_seconds": 1.5,
            "source": {"name": "slow_log", "readable": True},
            "spool": {"files": 0, "bytes": 0, "dropped_files": 0, "data_age_seconds": None},
        },
        "error": None,
    },
    "collectors/{id}/key": {"sha256": "0" * 64},
    "collectors/{id}/commands/1/execute": {"success": True, "result": {"code": "x"}},
    "queries/bulk": {
        "source": "slow_log",
        "epoch": 1,
        "generation": "0" * 64,
        "upload_id": "a" * 32,
        "position": 0,
        "queries": [
            {"sql_text": "select 1", "query_time": 1.5, "rows_examined": 3, "start_time": "2026-01-01T00:00:00Z"}
        ],
    },
}


@st.composite
def bodies(draw: st.DrawFn, good: Any) -> Any:
    """Return the good body with one part of it, at any depth, taken out or replaced by anything."""
    body = json.loads(json.dumps(good))
    here = body
    while True:
        name = draw(st.sampled_from(sorted(here))) if isinstance(here, dict) else 0
        if isinstance(here[name], dict | list) and here[name] and draw(st.booleans()):
            here = here[name]
            continue
        if isinstance(here, dict) and draw(st.booleans()):
            del here[name]
        else:
            here[name] = draw(JSON)
        return body


@pytest.mark.parametrize("path", BODIES)
def test_whatever_an_agent_sends_is_answered_and_never_with_a_5xx(path: str, served: Served) -> None:
    method = "PUT" if path.endswith("/key") else "POST"
    address = f"{served.control_plane.address}/api/v1/{path.replace('{id}', str(served.collector))}"
    session = requests.Session()
    session.trust_env = False

    @settings(QUICKLY, max_examples=120)
    @given(body=bodies(BODIES[path]))
    def send(body: Any) -> None:
        content = json.dumps(body).encode()
        headers = {**served.agent, "Content-Type": "application/json"}
        answer = session.request(method, address, data=content, headers=headers, timeout=30)
        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code >= 400:
            assert {"detail", "code", "errors"} <= set(answer.json()), body

    send()
    assert served.control_plane.api("POST", f"collectors/{served.collector}/heartbeat", {}, **served.agent).ok
