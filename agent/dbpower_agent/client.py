"""HTTP to the backend: one request, one bounded answer, no redirects, no surprises."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dbpower_agent import __version__
from dbpower_agent.database_config import is_loopback
from dbpower_agent.keyring import KeyRing
from dbpower_agent.memory import without_charset_detection

with without_charset_detection():
    import requests
    from requests.utils import get_environ_proxies
    from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from dbpower_agent.config import AgentConfig

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
CONNECT_TIMEOUT: Final = 5.0


class BackendUnreachableError(Exception):
    """No usable answer came. The message says why, without the key and without what the other side sent."""


@dataclass(frozen=True)
class Answer:
    """Status and decoded body. `retry_after` in seconds where the backend asked for a pause; `date` is the header."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    date: str | None = None

    @property
    def detail(self) -> str:
        """The backend's explanation, bounded, for logs."""
        said = [str(self.body[name])[:300] for name in ("code", "detail") if self.body.get(name)]
        return ": ".join([f"the backend answered {self.status}", *said])


class NoCredentials(requests.auth.AuthBase):
    """Stops requests from taking a user and password for the backend's host out of ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Connection:
    """HTTP to the API of one backend, whose address is `url`; `timeout` in seconds. Not shared between threads."""

    def __init__(self, url: str, *, timeout: float, ca: str = "") -> None:
        self._base = f"{url}/api/v1"
        self._timeout = timeout
        session = requests.Session()
        session.trust_env = False
        session.auth = NoCredentials()
        session.verify = ca or True
        if not is_loopback(urlsplit(url).hostname or ""):
            session.proxies = get_environ_proxies(url, no_proxy=None)
        session.headers.update(
            {
                "User-Agent": f"dbpower-agent/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
            }
        )
        self._session = session

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send JSON to a path below `/api/v1`. Raise BackendUnreachableError when no usable answer comes."""
        seconds = timeout or self._timeout
        deadline = time.monotonic() + seconds
        try:
            with self._session.request(
                method,
                f"{self._base}/{path}",
                data=body,
                headers=headers,
                timeout=(min(CONNECT_TIMEOUT, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read_answer(response, deadline)
        except (requests.RequestException, HTTPError) as error:
            raise BackendUnreachableError(_reason(error)) from error


class Client:
    """The backend as one thread sees it: a session is not shared between threads, so each makes its own client."""

    def __init__(self, config: AgentConfig, keys: KeyRing | None = None) -> None:
        self._keys = keys or KeyRing(config.state_dir, config.api_key)
        self._collector = f"collectors/{config.collector_id}"
        self._timeout = config.request_timeout_seconds
        self._connection = Connection(config.backend_url, timeout=self._timeout, ca=config.backend_ca)

    def close(self) -> None:
        self._connection.close()

    def heartbeat(self, body: dict[str, Any], *, timeout: float | None = None) -> Answer:
        return self._send("POST", f"{self._collector}/heartbeat", json.dumps(body).encode(), timeout=timeout)

    def report(self, command_id: int, body: dict[str, Any]) -> Answer:
        return self._send("POST", f"{self._collector}/commands/{command_id}/execute", json.dumps(body).encode())

    def tell_key(self, sha256: str) -> Answer:
        """Tell the digest of a key that the agent made."""
        return self._send("PUT", f"{self._collector}/key", json.dumps({"sha256": sha256}).encode())

    def upload(self, body: bytes) -> Answer:
        """Send one upload; `body` is gzip-compressed JSON."""
        # Applying a snapshot is the longest thing the backend does for an agent.
        return self._send("POST", "queries/bulk", body, gzip=True, timeout=max(self._timeout, 60.0))

    def _send(self, method: str, path: str, body: bytes, *, gzip: bool = False, timeout: float | None = None) -> Answer:
        headers = {"X-Collector-API-Key": self._keys.current} | ({"Content-Encoding": "gzip"} if gzip else {})
        return self._connection.send(method, path, body, headers=headers, timeout=timeout)


def _read_answer(response: requests.Response, deadline: float) -> Answer:
    if 300 <= response.status_code < 400:
        raise BackendUnreachableError(f"the backend answered {response.status_code}: redirects are not followed")
    content = b""
    # What has arrived, not what was asked for: a read of a fixed size would wait for a body that only drips.
    while piece := response.raw.read1(65_536):
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise BackendUnreachableError("the backend's answer is too large")
        if time.monotonic() > deadline:
            raise BackendUnreachableError("the backend's answer took too long")
    body: object = None
    with contextlib.suppress(ValueError, RecursionError):
        body = json.loads(content)
    if not isinstance(body, dict):
        if response.status_code < 300:
            raise BackendUnreachableError("the backend's answer is not a JSON object")
        body = {}
    headers = response.headers
    return Answer(response.status_code, body, _retry_after(headers.get("Retry-After")), headers.get("Date"))


def _retry_after(header: str | None) -> float | None:
    """Seconds only; a date in that header would need a clock both sides agree on."""
    if header is None or not header.strip().isdecimal():
        return None
    return float(header.strip()[:9])


def _reason(error: Exception) -> str:
    """One short line. The library's own message repeats the address and object addresses."""
    cause: BaseException = error
    for _ in range(6):
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    kind = type(error).__name__
    detail = str(cause).rpartition("object at ")[2].partition(": ")[2] or type(cause).__name__
    return f"{kind}: {detail[:200]}"
