"""The public REST API, as any script would use it."""

from collections.abc import Iterator
from typing import Any

import requests


class ApiError(Exception):
    """An answer that is not a success; the message has the request, the status and the answer."""


class Api:
    """One person's session: logs in by e-mail, and again when the token has run out."""

    def __init__(self, address: str, email: str, password: str) -> None:
        self._address = f"{address}/api/v1"
        self._credentials = {"email": email, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # The control plane is on this machine: no proxy has a part in it.

    def log_in(self) -> None:
        """Fetch a token."""
        answer = self._session.post(f"{self._address}/auth/token", json=self._credentials, timeout=30)
        self._session.headers["Authorization"] = f"Bearer {checked(answer)['access']}"

    def get(self, path: str) -> dict[str, Any]:
        """Read one object or one page of a list."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Create an object, or have something done."""
        return self._call("POST", path, body or {})

    def rows(self, noun: str) -> Iterator[dict[str, Any]]:
        """Walk all pages of the list `noun`."""
        page = self.get(noun)
        yield from page[noun]
        while page["next"]:
            page = checked(self._session.get(page["next"], timeout=30))
            yield from page[noun]

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        address = f"{self._address}/{path}"
        if "Authorization" not in self._session.headers:
            self.log_in()
        answer = self._session.request(method, address, json=body, timeout=30)
        if answer.status_code == requests.codes.unauthorized:
            self.log_in()
            answer = self._session.request(method, address, json=body, timeout=30)
        return checked(answer)


def checked(answer: requests.Response) -> dict[str, Any]:
    """Return the answer's JSON, or raise ApiError; the request's body, which may hold secrets, is not quoted."""
    if not answer.ok:
        raise ApiError(
            f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text[:500]}"
        )
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found
