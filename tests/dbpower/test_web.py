"""The web processes as they are served, asked through raw sockets: what strangers can do to them, and what they answer."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dbpower import connections
from tests.agent.agents import eventually
from tests.dbpower.sockets import ask, closed_after, connect, received, request
from tests.servers.control_plane import REPOSITORY, ControlPlane
from tests.servers.process import descendants, free_port, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
JSON = "Content-Type: application/json"
HTTPS = "X-Forwarded-Proto: https"
NOBODY = b'{"email": "nobody@example.org", "password": "wrong"}'
# As little of an attack as it takes, and more than there are threads or places.
SLOW = 200
# More than the kernel keeps for a connection.
LARGE = 7 << 20


class Served:
    """A control plane with one collector."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.port = control_plane.port
        self.root = control_plane.log_in()
        organization = self.api("POST", "organizations", {"name": "Example GmbH"}, **self.root).json()["id"]
        team = self.api("POST", "teams", {"name": "Shop", "organization_id": organization}, **self.root).json()["id"]
        body = {"name": "a", "type": "mysql", "team_id": team}
        collector = self.api("POST", "collectors/register", body, **self.root).json()
        self.collector, self.database = collector["id"], collector["database_id"]
        self.agent = {"X-Collector-API-Key": collector["api_key"]}
        self.authorization = f"Authorization: {self.root['Authorization']}"

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        return self.control_plane.api(method, path, body, **headers)

    def heartbeat_seconds(self) -> float:
        """Send a heartbeat and return how long it took."""
        begin = time.monotonic()
        assert self.api("POST", f"collectors/{self.collector}/heartbeat", {}, **self.agent).ok
        return time.monotonic() - begin

    def name(self) -> str:
        """Return what the database is called now."""
        return str(self.api("GET", f"databases/{self.database}", **self.root).json()["name"])


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with ControlPlane() as control_plane:
        yield Served(control_plane)


@pytest.fixture(scope="module")
def behind_proxy() -> Iterator[ControlPlane]:
    """In HTTPS mode, with this host as the trusted proxy."""
    with ControlPlane({"DBPOWER_TRUSTED_PROXIES": "127.0.0.1"}, web_workers=2) as control_plane:
        yield control_plane


def many(port: int, begun: bytes, *, window: int | None = None, count: int = SLOW) -> list[socket.socket]:
    clients = [connect(port, window=window) for _ in range(count)]
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(begun)
    return clients


def drip(clients: list[socket.socket], stopped: threading.Event) -> None:
    while not stopped.wait(1):
        for client in clients:
            with contextlib.suppress(OSError):
                client.send(b"x")


BODY = request("POST", "/api/v1/auth/token", JSON, "Content-Length: 1000", close=False)
HEADERS = b"POST /api/v1/auth/token HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@pytest.mark.parametrize("begun", [BODY, HEADERS, b""], ids=["bodies", "headers", "silence"])
def test_clients_that_send_slowly_hold_up_nobody_and_make_nobody_offline(begun: bytes, served: Served) -> None:
    served.heartbeat_seconds()
    clients = many(served.port, begun)
    stopped = threading.Event()
    threading.Thread(target=drip, args=(clients if begun else [], stopped), daemon=True).start()
    took = []
    until = time.monotonic() + 12
    while time.monotonic() < until:
        took.append(served.heartbeat_seconds())
        time.sleep(0.5)
    assert max(took) < 3
    # Ten seconds, and some more for whoever keeps up a pace: these do not.
    closed_after(clients[0], 5)
    closed_after(clients[-1], 5)
    stopped.set()
    changes = served.api("GET", f"collectors/{served.collector}/status-changes", **served.root).json()
    assert [change for change in changes["status_changes"] if change["new_status"] == "OFFLINE"] == []


def test_more_connections_than_there_are_places_keep_nobody_out(served: Served) -> None:
    clients = many(served.port, b"", count=connections.CONNECTIONS + 100)
    assert max(served.heartbeat_seconds() for _ in range(5)) < 3
    for client in clients:
        client.close()


def test_clients_that_read_slowly_hold_up_nobody(served: Served) -> None:
    fill_the_audit(served.control_plane)
    export = request("GET", "/api/v1/audit/export", served.authorization)
    whole = len(ask(served.port, export, seconds=60).raw)
    assert whole > LARGE
    # One for each thread, and one more. Making the answers takes a moment, reading them would take forever.
    clients = many(served.port, export, window=4096, count=5)
    eventually(lambda: served.heartbeat_seconds() < 1, seconds=60, what="the threads are free again")
    time.sleep(15)
    assert all(len(received(client).raw) < whole for client in clients)


def fill_the_audit(control_plane: ControlPlane) -> None:
    """Write LARGE bytes into the audit, by hand."""
    with contextlib.closing(sqlite3.connect(control_plane.folder / "data/dbpower.sqlite3", timeout=20)) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(audit_entries)")]
        given = {"id": "NULL", "position": "NULL", "seal": "''", "after": f"""'{{"text": "{"x" * 4000}"}}'"""}
        columns = ", ".join(given.get(name, name) for name in names)
        some = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        row = "(SELECT * FROM audit_entries ORDER BY id LIMIT 1)"
        database.execute(f"INSERT INTO audit_entries ({', '.join(names)}) {some} SELECT {columns} FROM n, {row}")
        database.commit()


def a_token(*headers: str, body: bytes = NOBODY) -> bytes:
    return request("POST", "/api/v1/auth/token", JSON, *headers, body=body)


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (request("GET", "/health/live", "X: " + "a" * (31 << 10)), 200, None),
        (request("GET", "/health/live", "X: " + "a" * (33 << 10)), 431, "headers_too_large"),
        (request("GET", "/health/live?" + "a" * (33 << 10)), 431, "headers_too_large"),
        (a_token("Content-Length: 17000000"), 413, "too_large"),
        (a_token("Content-Length: " + "9" * 5000), 400, "invalid"),
        (a_token(f"Content-Length: {len(NOBODY)}", f"Content-Length: {len(NOBODY) + 2}"), 400, "invalid"),
        (a_token("Content-Length: -5"), 400, "invalid"),
        (a_token(f"Content-Length: {len(NOBODY)}", CHUNKED), 400, "invalid"),
        (a_token("Transfer-Encoding: gzip, chunked"), 501, "not_implemented"),
        (a_token(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"), 400, "invalid"),
        (a_token(CHUNKED, body=b"2;" + b"a" * (64 << 10)), 400, "invalid"),
        (a_token(CHUNKED, body=b"2\r\n{}\r\n0\r\nX: " + b"a" * (64 << 10)), 400, "invalid"),
        (a_token(CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "invalid"),
        (b"nonsense\r\n\r\n", 400, "invalid"),
        (b"GET /health/live HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400, "invalid"),
        (request("GET", "/health/live", "Host: evil.example"), 400, "invalid"),
    ],
)
def test_what_is_too_large_or_no_http_is_refused_in_the_one_shape(
    sent: bytes, status: int, code: str | None, served: Served
) -> None:
    answer = ask(served.port, sent)
    assert answer.status == status, answer.raw[:300]
    if code is not None:
        assert answer.json["code"] == code
        assert set(answer.json) == {"detail", "code", "errors"}
        assert b"waitress" not in answer.raw


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def test_a_chunked_body_is_read_like_any_other(served: Served) -> None:
    path = f"/api/v1/collectors/{served.collector}/rotate-key"
    body = chunked(b'{"by": "ag', b'ent"}')
    answer = ask(served.port, request("POST", path, JSON, CHUNKED, served.authorization, body=body))
    assert answer.status == 202, answer.raw
    assert "api_key" not in answer.json, "a key that nobody asked to see"
    big = ask(served.port, a_token(CHUNKED, body=chunked(b'{"email": "' + b"x" * (1 << 20) + b'"}')))
    assert (big.status, big.json["code"]) == (413, "too_large")


@pytest.mark.parametrize("framing", ["Content-Length: 500", CHUNKED])
def test_a_body_that_was_cut_short_changes_nothing(framing: str, served: Served) -> None:
    before = served.name()
    cut = b'{"name": "cut off"}'
    body = chunked(cut)[: -len("0\r\n\r\n")] if framing == CHUNKED else cut
    path = f"/api/v1/databases/{served.database}"
    answer = ask(served.port, request("PATCH", path, JSON, framing, served.authorization, body=body), half_close=True)
    assert answer.raw == b""
    assert served.name() == before


def addresses_of_refused_logins(control_plane: ControlPlane) -> list[str]:
    with contextlib.closing(sqlite3.connect(control_plane.folder / "data/dbpower.sqlite3")) as database:
        rows = database.execute("SELECT address FROM audit_entries WHERE action LIKE 'login%' ORDER BY id").fetchall()
    return [address for (address,) in rows]


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 203.0.113.9", "X_Forwarded_For: 6.6.6.6"], "203.0.113.9"),
        (["X_Forwarded_For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X_Forwarded_For: 6.6.6.6"], "127.0.0.1"),
        (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: fe80::1%" + "x" * 100], "127.0.0.1"),
    ],
)
def test_a_header_with_an_underscore_speaks_for_no_proxy(
    headers: list[str], address: str, behind_proxy: ControlPlane
) -> None:
    length = f"Content-Length: {len(NOBODY)}"
    answer = ask(behind_proxy.port, a_token(HTTPS, length, *headers))
    assert answer.status == 401, answer.raw
    assert addresses_of_refused_logins(behind_proxy)[-1] == address


def test_the_scheme_is_what_the_proxy_says(behind_proxy: ControlPlane) -> None:
    for headers in ([], ["X_Forwarded_Proto: https"], ["X-Forwarded-Proto: http", "X_Forwarded_Proto: https"]):
        answer = ask(behind_proxy.port, request("GET", "/api/v1/collectors", *headers))
        assert (answer.status, answer.headers["location"]) == (301, "https://localhost/api/v1/collectors"), headers
    assert ask(behind_proxy.port, request("GET", "/api/v1/collectors", HTTPS)).status == 401


@pytest.mark.parametrize(
    "path",
    [
        *("/admin/login/", "/admin", "/api/v1/collectors", "/api/docs", "/nothing", "/static/collectors/icon.svg"),
        *("/static/nothing.js", "/health/live", "/api/v1/%00", "/api/v1/collectors?q=%00"),
    ],
)
@pytest.mark.parametrize("scheme", [HTTPS, ""])
def test_every_answer_has_the_headers_that_protect(path: str, scheme: str, behind_proxy: ControlPlane) -> None:
    answer = ask(behind_proxy.port, request("GET", path, *([scheme] if scheme else [])))
    assert 200 <= answer.status < 500
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "object-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers
    assert answer.headers.get("strict-transport-security") == ("max-age=31536000" if scheme else None)
    if path.startswith(("/api/", "/health")) and (scheme or path.startswith("/health")):
        assert answer.headers["cache-control"] == "no-store"


def test_cookies_are_for_https_and_for_this_site_alone(behind_proxy: ControlPlane) -> None:
    session = requests.Session()
    session.trust_env = False
    headers = {"X-Forwarded-Proto": "https", "Referer": "https://localhost/", "Host": "localhost"}
    address = f"http://localhost:{behind_proxy.port}/admin/login/"
    page = session.get(address, headers=headers, timeout=10)
    assert all(part in page.headers["Set-Cookie"] for part in ("csrftoken=", "Secure", "SameSite=Lax"))
    # What a browser would send back by HTTPS, for to `requests` this is none.
    cookie = page.headers["Set-Cookie"].split(";")[0]
    form = {
        "username": "root@example.org",
        "password": behind_proxy.password,
        "csrfmiddlewaretoken": cookie.partition("=")[2],
    }
    answer = session.post(address, data=form, headers={**headers, "Cookie": cookie}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    given = next(text for text in answer.raw.headers.getlist("Set-Cookie") if text.startswith("sessionid="))
    assert all(part in given for part in ("Secure", "HttpOnly", "SameSite=Lax"))


def web_processes(control_plane: ControlPlane) -> list[int]:
    """Return the parent of the web processes, and them."""
    found = []
    for pid in descendants(control_plane.process.pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - a pseudo file
            if b"dbpower.web" in file.read():
                found.append(pid)
    return sorted(found)


def test_a_web_process_that_dies_is_replaced_and_the_others_go_on(behind_proxy: ControlPlane) -> None:
    parent, *processes = web_processes(behind_proxy)
    assert len(processes) == 2
    os.kill(processes[0], signal.SIGKILL)
    assert ask(behind_proxy.port, request("GET", "/health/live")).status == 200
    eventually(lambda: len(web_processes(behind_proxy)) == 3, what="another process")
    assert web_processes(behind_proxy)[0] == parent
    said = behind_proxy.process.log_tail(20)
    assert f"web process {processes[0]} ended with -9; starting another" in said


def test_without_their_parent_the_web_processes_end(tmp_path: Any) -> None:
    port = free_port()
    environment = {**os.environ, "DBPOWER_DATA_DIR": str(tmp_path), "DBPOWER_WEB_WORKERS": "2"}
    web = subprocess.Popen(
        [sys.executable, "-m", "dbpower.web", "--port", str(port)],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.DEVNULL,
    )

    def alive() -> bool:
        with contextlib.suppress(OSError):
            return ask(port, request("GET", "/health/live")).status == 200
        return False

    eventually(alive, what="an answer")
    processes = descendants(web.pid)
    web.kill()
    web.wait()
    eventually(lambda: not any(running(pid) for pid in processes), what="nothing is left")


def test_nothing_of_an_ordinary_request_is_in_the_log(served: Served) -> None:
    ask(served.port, request("GET", "/health/live?canary=1"))
    half = connect(served.port)
    half.sendall(b"GET /canary HTTP/1.1\r\n")
    half.close()
    assert "canary" not in served.control_plane.process.log_tail(500)
    assert "waitress" not in served.control_plane.process.log_tail(500)
