"""Callers of the API: the cast with its tokens, an agent with its key, somebody without anything."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client

from collectors.models import User
from tests.cast import PASSWORD, Cast

V1 = "/api/v1/"
# One for all: each new one would load the middleware anew, which looks for static files first.
_CLIENT = Client()
PEOPLE = ("root", "alice", "bob", "carol", "dave", "mallory")


@dataclass
class Caller:
    """Sends requests with the same credentials each time; an exception of the server fails the test."""

    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any = None, **extra: Any) -> HttpResponse:
        """Send a JSON body (bytes go as they are) to a path below /api/v1, or to one that begins with a slash."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        content_type = extra.pop("content_type", "application/json")
        headers = {**self.headers, **extra.pop("headers", {})}
        address = path if path.startswith("/") else V1 + path
        _CLIENT.cookies.clear()
        answer: Any = _CLIENT.generic(method, address, content, content_type, headers=headers, **extra)
        if answer.streaming:
            return HttpResponse(b"".join(answer), status=answer.status_code, headers=answer.headers)
        return answer  # type: ignore[no-any-return]

    def get(self, path: str, **extra: Any) -> HttpResponse:
        """Ask for a path."""
        return self.send("GET", path, **extra)

    def post(self, path: str, body: Any = None, **extra: Any) -> HttpResponse:
        """Post a body."""
        return self.send("POST", path, body, **extra)

    def patch(self, path: str, body: Any = None, **extra: Any) -> HttpResponse:
        """Patch with a body."""
        return self.send("PATCH", path, body, **extra)

    def delete(self, path: str, **extra: Any) -> HttpResponse:
        """Delete a path."""
        return self.send("DELETE", path, **extra)


ANYBODY = Caller()


def tokens(user: User, password: str = PASSWORD) -> dict[str, str]:
    """Log in and return both tokens."""
    answer = ANYBODY.post("auth/token", {"email": user.email, "password": password})
    assert answer.status_code == 200, answer.content
    found: dict[str, str] = json.loads(answer.content)
    return found


def bearer(token: str) -> Caller:
    """Return the caller with an access token."""
    return Caller({"Authorization": f"Bearer {token}"})


def signed_in(user: User) -> Caller:
    """Return the user with an access token of a new login."""
    return bearer(tokens(user)["access"])


def with_key(key: str) -> Caller:
    """Return an agent with a key."""
    return Caller({"X-Collector-API-Key": key})


def caller(cast: Cast, name: str) -> Caller:
    """Return a person of the cast, the agent of its collector (`key`), or `anonymous`."""
    if name == "anonymous":
        return ANYBODY
    return with_key(cast.key) if name == "key" else signed_in(getattr(cast, name))


def content_of(answer: Any) -> Any:
    """Return the answer's JSON."""
    return json.loads(answer.content)


def is_error(answer: HttpResponse) -> bool:
    """Tell whether the answer has the one shape of errors."""
    content = content_of(answer)
    errors = content["errors"]
    return (
        {"detail", "code", "errors"} <= set(content)
        and isinstance(content["detail"], str)
        and isinstance(content["code"], str)
        and all(isinstance(text, str) for texts in errors.values() for text in texts)
    )
