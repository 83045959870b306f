"""What the shipped web server makes of forwarded headers, seen from a raw socket: spellings that no client library sends.

To a WSGI application `X_Forwarded_For` and `X-Forwarded-For` are one variable, so the server drops names with an underscore.
"""

import socket
from collections.abc import Iterator

import pytest

from tests.servers.control_plane import ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
FORGED = "198.51.100.66"
SPELLINGS = ("X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X-Forwarded_For", "X_FORWARDED-FOR")


@pytest.fixture(scope="module")
def alone() -> Iterator[ControlPlane]:
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="module")
def behind_a_proxy() -> Iterator[ControlPlane]:
    with ControlPlane({"DBPOWER_TRUSTED_PROXIES": "127.0.0.1", "DBPOWER_HTTPS": "false"}) as running:
        yield running


def address_seen(control_plane: ControlPlane, *headers: str) -> str:
    """Send a login that is refused, byte by byte as given; return the address that the audit has of it."""
    body = b'{"email": "nobody@example.org", "password": "wrong"}'
    lines = ["POST /api/v1/auth/token HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""])
    with socket.create_connection(("127.0.0.1", control_plane.port), timeout=20) as connection:
        connection.sendall(head.encode("latin-1") + body)
        answer = connection.recv(200)
    assert answer.startswith(b"HTTP/1.1 401"), answer
    entries = control_plane.api("GET", "audit?action=login.refused&page_size=1", **control_plane.log_in()).json()
    (newest,) = next(value for value in entries.values() if isinstance(value, list))
    return str(newest["address"])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nobody_is_believed_who_is_no_proxy_whatever_the_spelling(alone: ControlPlane, spelling: str) -> None:
    assert address_seen(alone, f"{spelling}: {FORGED}") == "127.0.0.1"
    assert address_seen(alone, f"X-Forwarded-For: {FORGED}", f"{spelling}: {FORGED}") == "127.0.0.1"


def test_a_proxy_is_believed_about_the_address_that_it_adds(behind_a_proxy: ControlPlane) -> None:
    assert address_seen(behind_a_proxy, "X-Forwarded-For: 192.0.2.7") == "192.0.2.7"
    # As nginx appends to one line, and as HAProxy adds a line of its own.
    assert address_seen(behind_a_proxy, f"X-Forwarded-For: {FORGED}, 192.0.2.7") == "192.0.2.7"
    assert address_seen(behind_a_proxy, f"X-Forwarded-For: {FORGED}", "X-Forwarded-For: 192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize(
    "odd", ["", ",", "unknown", "192.0.2.7, <script>", "192.0.2.7:80", "\xe9", "_hidden", "192.0.2.7,unknown"]
)
def test_of_an_odd_value_the_connection_is_believed(behind_a_proxy: ControlPlane, odd: str) -> None:
    assert address_seen(behind_a_proxy, f"X-Forwarded-For: {odd}") == "127.0.0.1"


@pytest.mark.parametrize("spelling", SPELLINGS[2:])
def test_a_name_with_an_underscore_says_nothing_even_through_a_proxy(
    behind_a_proxy: ControlPlane, spelling: str
) -> None:
    assert address_seen(behind_a_proxy, "X-Forwarded-For: 192.0.2.7", f"{spelling}: {FORGED}") == "192.0.2.7"
    assert address_seen(behind_a_proxy, f"{spelling}: {FORGED}", "X-Forwarded-For: 192.0.2.7") == "192.0.2.7"
