"""HTTP to the backend: bounded in time and size, no redirects, proxies only where they belong."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbpower_agent.backoff import Backoff
from dbpower_agent.client import BackendUnreachableError, Client
from tests.agent.agents import read_config, write_config
from tests.agent.backend import FakeBackend


def client_for(folder: Path, url: str, **more: object) -> Client:
    return Client(read_config(write_config(folder, url, "mysql", {}, **more)))


@contextmanager
def raw_server(*pieces: bytes, pause: float = 0.0) -> Iterator[str]:
    """Answers one connection with the given bytes, slowly if asked to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                for piece in pieces:
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return
                    time.sleep(pause)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_redirects_are_refused(tmp_path: Path) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n"
    with raw_server(head) as url, pytest.raises(BackendUnreachableError, match="redirects"):
        client_for(tmp_path, url).heartbeat({})


def test_an_answer_without_end_is_cut_off(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    with raw_server(head, *[b" " * 1_000_000] * 20) as url, pytest.raises(BackendUnreachableError, match="too large"):
        client_for(tmp_path, url).heartbeat({})


def test_a_dripping_answer_is_cut_off(tmp_path: Path) -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b" "] * 60]
    began = time.monotonic()
    with raw_server(*pieces, pause=0.1) as url, pytest.raises(BackendUnreachableError):
        client_for(tmp_path, url, request_timeout_seconds=1).heartbeat({})
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_json_object_counts_as_none(body: bytes, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with raw_server(head + body) as url, pytest.raises(BackendUnreachableError):
        client_for(tmp_path, url).heartbeat({})


def test_retry_after_is_read_in_seconds_only(backend: FakeBackend, tmp_path: Path) -> None:
    client = client_for(tmp_path, backend.url)
    for header, seconds in (("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("1e9", None)):
        backend.failures = [(503, {"Retry-After": header})]
        answer = client.heartbeat({})
        assert (answer.status, answer.retry_after) == (503, seconds)


def test_proxies_serve_other_hosts_but_never_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    away = client_for(tmp_path, "https://backend.example.com")
    assert away._connection._session.proxies["https"] == "http://proxy.example.com:3128"
    assert not client_for(tmp_path, "http://127.0.0.1:8000")._connection._session.proxies
    monkeypatch.setenv("no_proxy", "backend.example.com")
    assert not client_for(tmp_path, "https://backend.example.com")._connection._session.proxies


def test_an_unreachable_backend_is_told_without_the_key(tmp_path: Path) -> None:
    with pytest.raises(BackendUnreachableError) as caught:
        client_for(tmp_path, "http://127.0.0.1:9").heartbeat({})
    assert "refused" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_password_in_netrc_is_never_sent(
    backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password canary\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    answered = client_for(tmp_path, backend.url)
    prepared = answered._connection._session.prepare_request(
        __import__("requests").Request("POST", backend.url, data=b"x")
    )
    assert "Authorization" not in prepared.headers


def test_backoff_grows_with_full_jitter_up_to_a_minute() -> None:
    highest = Backoff(uniform=lambda _, high: high)
    assert [highest.failed() for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]
    lowest = Backoff(uniform=lambda low, _: low)
    assert [lowest.failed() for _ in range(3)] == [1, 1, 1]
    highest.reset()
    assert highest.failed() == 2
    assert highest.failed(at_least=60) == 60


def test_the_backends_own_wish_wins_with_some_jitter_on_top() -> None:
    backoff = Backoff()
    for _ in range(50):
        assert 10 <= backoff.failed(retry_after=10) <= 11
    assert backoff.failed(retry_after=10**9) <= 3960


def test_an_answer_in_chunks_is_read_whole(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_server(head, b'7\r\n{"statu\r\n', b'9\r\ns": "ok"}\r\n', b"0\r\n\r\n", pause=0.05) as url:
        assert client_for(tmp_path, url).heartbeat({}).body == {"status": "ok"}
