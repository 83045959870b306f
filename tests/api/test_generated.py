"""Requests made from the OpenAPI schema, and bodies made against it, sent to a live server with the credentials of each role.

Whatever comes, no answer is a 5xx, and every answer is one that the schema describes. That a body which fits the schema is
taken is not asked: whether an id exists, or a password is strong, no schema can say.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
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
from tests.servers import PostgreSQL
from tests.servers.control_plane import ControlPlane
from tests.servers.plugin import chosen_database
from tests.servers.process import free_port

# On PostgreSQL, whose limits are others, it is a part of what is run there.
pytestmark = [pytest.mark.timeout(600), *([pytest.mark.slow] if chosen_database() == "sqlite" else [])]
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
QUICKLY: Final = settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
ROLES: Final = {"admin": "ORG_ADMIN", "lead": "TEAM_LEAD", "user": "USER"}
# These would end what the other requests sign in with: they are asked with logins of their own.
ENDING: Final = ("/auth/logout", "/users/me/password")


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
        self.enrolment = self._post(
            "enrolment-tokens", {"name": "hosts", "type": "mysql", "team_id": team, "max_uses": 10_000}
        )["token"]
        for name, role in {**ROLES, "spare": "TEAM_LEAD"}.items():
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
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    environment = {}
    if chosen_database() == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        environment["DATABASE_URL"] = server.create_database(f"generated_{free_port()}")
    with ControlPlane(environment) as running:
        yield Served(running)


def test_every_answer_to_a_generated_request_is_one_that_the_schema_describes(served: Served) -> None:
    callers = {name: headers for name, headers in served.callers.items() if name != "spare"}
    found, sent = answers(served, callers, lambda path: not path.endswith(ENDING))
    assert sent > 100
    assert found == []


def test_so_are_those_to_requests_that_end_the_login_they_come_with(served: Served) -> None:
    found, sent = answers(served, {"spare": served.callers["spare"]}, lambda path: path.endswith(ENDING))
    assert sent > 5
    assert found == []


def answers(served: Served, callers: dict[str, dict[str, str]], asked: Callable[[str], bool]) -> tuple[list[str], int]:
    """Send each generated request to the operations with such paths as every one of the callers.

    Return what was wrong with the answers, and how many requests there were: making one takes longer than answering it.
    """
    schema = schemathesis.openapi.from_url(f"{served.control_plane.address}/api/schema?format=json")
    found: list[str] = []
    sent = 0
    for made in schema.get_all_operations():
        operation: Any = made.ok()  # type: ignore[union-attr] # one that is none fails here
        if not asked(operation.path):
            continue
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @QUICKLY
        @given(case=st.one_of(modes))
        def send(case: Any) -> None:
            nonlocal sent
            sent += 1
            case.headers.pop("Authorization", None)
            # What a file holds, no schema says.
            checks = CHECKS[:-1] if case.operation.path.removeprefix("/api/v1/") in FILES else CHECKS
            for name, headers in callers.items():
                try:
                    case.validate_response(case.call(headers=headers), checks=checks)
                except FailureGroup as failures:
                    found.extend(f"{name}: {case.method} {case.path}: {failure}" for failure in failures.exceptions)

        send()
    return found, sent


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
    # The token is filled in.
    "enrolments": {"token": "", "request_id": "a" * 32, "name": "host"},
    "enrolments/key": {"token": "", "request_id": "a" * 32, "sha256": "0" * 64},
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


class Agent:
    """An agent, or a host that becomes one, that sends anything to one address."""

    def __init__(self, served: Served, path: str) -> None:
        self.served = served
        self.method = "PUT" if path.endswith("/key") else "POST"
        self.address = f"{served.control_plane.address}/api/v1/{path.replace('{id}', str(served.collector))}"
        self.good = {**BODIES[path], **({"token": served.enrolment} if path.startswith("enrolments") else {})}
        self.session = requests.Session()
        self.session.trust_env = False

    def send(self, content: bytes, **headers: str) -> None:
        """Send it. Fails when the answer is a 5xx, or a refusal in another shape."""
        given = {**self.served.agent, "Content-Type": "application/json", **headers}
        answer = self.session.request(self.method, self.address, data=content, headers=given, timeout=30)
        assert answer.status_code < 500, (content, headers, answer.text)
        if answer.status_code >= 400:
            assert {"detail", "code", "errors"} <= set(answer.json()), (content, headers)

    def lives(self) -> None:
        """Fail when the key is no longer good, or the database no longer takes anything."""
        path = f"collectors/{self.served.collector}/heartbeat"
        assert self.served.control_plane.api("POST", path, {}, **self.served.agent).ok


@pytest.mark.parametrize("path", BODIES)
def test_whatever_an_agent_sends_is_answered_and_never_with_a_5xx(path: str, served: Served) -> None:
    agent = Agent(served, path)

    @settings(QUICKLY, max_examples=200)
    @given(body=bodies(agent.good))
    def send(body: Any) -> None:
        agent.send(json.dumps(body).encode())

    send()
    agent.lives()


@st.composite
def raw(draw: st.DrawFn, good: bytes) -> tuple[bytes, dict[str, str]]:
    """Return bytes, sometimes the good ones with a part replaced, in an encoding that may be another than what is said of it."""
    content = draw(st.binary(max_size=200)) if draw(st.booleans()) else good
    start, end = sorted(draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))))
    content = content[:start] + draw(st.binary(max_size=20)) + content[end if draw(st.booleans()) else start :]
    content = draw(st.sampled_from([bytes, gzip.compress, zlib.compress, lambda c: b"\xef\xbb\xbf" + c, _utf_16]))(
        content
    )
    headers = {}
    if draw(st.booleans()):
        headers["Content-Encoding"] = draw(
            st.sampled_from(["gzip", "identity", "br", "deflate", "gzip, gzip", "", "\xff"])
        )
    if draw(st.booleans()):
        types = [
            "application/json; charset=utf-16",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
            "a/b; c",
            "\xff",
        ]
        headers["Content-Type"] = draw(st.sampled_from(types))
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content, headers


def _utf_16(content: bytes) -> bytes:
    return content.decode("latin-1").encode("utf-16")


@pytest.mark.parametrize("path", BODIES)
def test_whatever_bytes_an_agent_sends_are_answered_and_never_with_a_5xx(path: str, served: Served) -> None:
    agent = Agent(served, path)

    @settings(QUICKLY, max_examples=200)
    @given(sent=raw(json.dumps(agent.good).encode()))
    def send(sent: tuple[bytes, dict[str, str]]) -> None:
        content, headers = sent
        agent.send(content, **{name: text.encode("latin-1") for name, text in headers.items()})  # type: ignore[arg-type]

    send()
    agent.lives()
