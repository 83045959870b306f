"""Connections that are slow, large or silent, beside those that are not; and what proves that requests get a thread."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dbpower import connections
from tests.dbpower.sockets import ask, closed_after, connect, received, request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
LARGE = 20 << 20


@dataclass
class Running:
    """A server of one thread in this process. `/slow` waits for `release`, `/large` answers LARGE bytes in pieces."""

    port: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    proofs: list[float] = field(default_factory=list)
    server: Any = None
    thread: threading.Thread | None = None

    def application(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer."""
        if environ["PATH_INFO"] == "/slow":
            self.entered.set()
            self.release.wait(20)
        start("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/large":
            return (b"x" * 65536 for _ in range(LARGE // 65536))
        return [environ["wsgi.input"].read() or b"fine"]

    def start(self) -> None:
        """Listen and serve."""
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self.server = connections.listen(self.application, listening, 1)
        prove = lambda: self.proofs.append(time.monotonic())  # noqa: E731
        serve = lambda: self.server.serve(prove, ended=self.ended.is_set, grace=5)  # noqa: E731
        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Let it end."""
        self.ended.set()
        self.release.set()
        assert self.thread
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(connections, "SIGN_SECONDS", 1.0)
    monkeypatch.setattr(connections, "_BUSY_SECONDS", 1.5)
    running = Running()
    running.start()
    yield running
    running.stop()


def fine(running: Running) -> bool:
    return ask(running.port, request("GET", "/"), seconds=5).body == b"fine"


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n12"]
)
def test_a_request_that_does_not_come_is_not_waited_for_and_keeps_no_thread(running: Running, begun: bytes) -> None:
    client = connect(running.port)
    client.sendall(begun)
    assert fine(running)
    assert closed_after(client, 5) > 0.5


def test_a_request_that_comes_byte_by_byte_has_the_same_deadline(running: Running) -> None:
    client = connect(running.port)
    threading.Thread(target=drip, args=(client,), daemon=True).start()
    assert closed_after(client, 4) > 0.5


def drip(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            client.sendall(b"x")
            time.sleep(0.05)


def test_a_large_body_has_more_time_while_it_comes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BYTES_PER_SECOND", 500)
    client = connect(running.port)
    client.sendall(request("POST", "/", "Content-Length: 6000"))
    for _ in range(12):
        client.sendall(b"x" * 500)
        time.sleep(0.25)
    assert received(client).body == b"x" * 6000


def test_a_client_that_goes_on_asking_keeps_its_connection(running: Running) -> None:
    client = connect(running.port)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        client.sendall(request("GET", "/", close=False))
        answer = b""
        while not answer.endswith(b"fine"):
            answer += client.recv(65536) or pytest.fail("it was closed")
        time.sleep(0.05)


def test_an_answer_that_nobody_reads_keeps_no_thread_and_is_given_up(running: Running) -> None:
    client = connect(running.port, window=4096)
    client.sendall(request("GET", "/large"))
    assert fine(running)
    time.sleep(4)
    assert len(received(client).raw) < LARGE


def test_an_answer_that_is_read_arrives_whole(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 20.0)
    assert len(ask(running.port, request("GET", "/large")).body) == LARGE


def test_who_reads_more_slowly_than_is_kept_for_anybody_holds_the_thread_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(connections, "BYTES_PER_SECOND", 1)
    monkeypatch.setattr(connections, "ANSWER_BYTES", 1 << 20)
    running = Running()
    running.start()
    client = connect(running.port, window=4096)
    client.sendall(request("GET", "/large"))
    stopped = threading.Event()

    def sip() -> None:
        while not stopped.wait(0.05) and client.recv(2048):
            pass

    threading.Thread(target=sip, daemon=True).start()
    assert fine(running)
    stopped.set()
    running.stop()


def test_the_largest_goes_when_too_much_is_kept_for_all(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(connections, "KEPT_BYTES", LARGE // 2)
    client = connect(running.port, window=4096)
    client.sendall(request("GET", "/large"))
    small = connect(running.port)
    small.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n12")
    time.sleep(3)
    assert len(received(client).raw) < LARGE
    small.sendall(b"3456789")
    assert received(small, 2).body == b"123456789"


def test_whoever_comes_next_finds_a_place(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(connections, "CONNECTIONS", 5)
    silent = [connect(running.port) for _ in range(20)]
    assert fine(running)
    closed_after(silent[0], 2)
    for client in silent:
        client.close()


def test_it_is_proved_again_and_again_that_requests_get_a_thread_and_not_while_they_do_not(running: Running) -> None:
    time.sleep(2.5)
    before = len(running.proofs)
    assert before >= 2
    client = connect(running.port)
    client.sendall(request("GET", "/slow"))
    assert running.entered.wait(5)
    time.sleep(4)
    # The one that may have been proved at the same moment, and none after it.
    assert len(running.proofs) <= before + 1
    assert not running.server.accepting, "new connections are left to other processes meanwhile"
    running.release.set()
    assert received(client).status == 200
    stuck = len(running.proofs)
    time.sleep(3)
    assert len(running.proofs) > stuck
    assert running.server.accepting
    assert fine(running)


def test_what_is_being_answered_is_answered_before_the_end_and_nobody_is_waited_for(running: Running) -> None:
    silent, client = connect(running.port), connect(running.port)
    client.sendall(request("GET", "/slow", close=False))
    assert running.entered.wait(5)
    running.ended.set()
    threading.Timer(0.5, running.release.set).start()
    begin = time.monotonic()
    assert received(client).body == b"fine"
    closed_after(silent, 2)
    assert time.monotonic() - begin < 3


def test_a_link_local_client_has_no_zone(running: Running) -> None:
    address = running.server.fix_addr(("fe80::1%a-very-long-name-of-an-interface", 5, 0, 2))
    assert address == ("fe80::1", 5, 0, 2)
