"""What lies between an agent and the control plane: a proxy that loses, doubles, cuts and shuffles uploads when told to."""

import contextlib
import http.client
import json
import random
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

UPLOAD = "/api/v1/queries/bulk"


class Fault(StrEnum):
    """What happens to one upload."""

    NONE = "it passes"
    TWICE = "the control plane gets it twice"
    ANSWER_LOST = "the control plane takes it, the agent hears nothing"
    REQUEST_LOST = "it is lost before the control plane hears of it"
    CUT = "the connection breaks after half of it"
    LATE = "the agent hears nothing, and the control plane gets it after later ones"


class Stage(StrEnum):
    """The moments of an upload at which a test can act."""

    ARRIVED = "the agent has sent it, the control plane has heard nothing"
    HALFWAY = "the control plane has half of it"
    SENT = "the control plane has all of it and has not answered"
    ANSWERED = "the control plane has answered, the agent has not heard"


# How long an upload may be on its way from the moment its age was told, on a machine that is busy (seconds).
TRAVEL = 0.25


class ConnectionLost(Exception):
    """The agent gets no answer."""


class FaultyProxy:
    """Passes requests on to a port of loopback. Heartbeats are answered with a quicker pace than any operator would choose.

    `fault_of` decides about each upload that carries rows; `once` acts at a stage of the next such upload, in the
    proxy's thread. `uploads` counts the uploads with rows that were answered with success, `taken` holds the place of each
    in its source: epoch and sequence, or zero and position. `read_until` is a moment (monotonic seconds) before which all that
    the server had counted has been taken.
    """

    def __init__(self, target: Callable[[], int], *, interval_seconds: float = 0.2) -> None:
        self.target = target
        self.interval_seconds = interval_seconds
        self.fault_of: Callable[[], Fault] = lambda: Fault.NONE
        self.away = False
        self.uploads = 0
        self.seen: dict[Fault, int] = dict.fromkeys(Fault, 0)
        self.taken: list[tuple[int, int]] = []
        self.read_until = 0.0
        self._acts: dict[Stage, Callable[[], None]] = {}
        self._late: list[tuple[bytes, dict[str, str]]] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def once(self, stage: Stage, act: Callable[[], None]) -> None:
        """Do `act` when the next upload with rows is at `stage`."""
        with self._lock:
            self._acts[stage] = act

    def deliver_late(self, draw: random.Random) -> int:
        """Hand over what was held back, in an order drawn anew; returns how many uploads that were."""
        with self._lock:
            held, self._late = self._late, []
        draw.shuffle(held)
        for body, headers in held:
            self._forward(UPLOAD, body, headers)
        return len(held)

    def pass_on(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer. Raise `ConnectionLost` where the agent is to hear nothing."""
        if self.away:
            raise ConnectionLost
        if path != UPLOAD or not carries_rows(body):
            status, answered, content = self._forward(path, body, headers)
            return status, answered, self._hurried(path, content) if status == 200 else content
        arrived = time.monotonic()
        fault = self.fault_of()
        with self._lock:
            self.seen[fault] += 1
        self._act(Stage.ARRIVED)
        status, answered, content = self._upload(fault, body, headers)
        self._act(Stage.ANSWERED)
        if status == 200:
            self.uploads += 1
            self.taken.append(place(body))
            self.read_until = max(self.read_until, arrived - TRAVEL - unpacked(body)["age_seconds"])
        if fault is Fault.ANSWER_LOST or self.away:
            raise ConnectionLost
        return status, answered, content

    def _upload(self, fault: Fault, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if fault is Fault.REQUEST_LOST:
            raise ConnectionLost
        if fault is Fault.LATE:
            with self._lock:
                self._late.append((body, headers))
            raise ConnectionLost
        if fault is Fault.CUT:
            self._forward(UPLOAD, body, headers, send=len(body) // 2)
        if fault is Fault.TWICE:
            self._forward(UPLOAD, body, headers)
        return self._forward(UPLOAD, body, headers, staged=True)

    def _forward(
        self, path: str, body: bytes, headers: Mapping[str, str], *, send: int | None = None, staged: bool = False
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.target(), timeout=30)
        try:
            connection.putrequest("POST", path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            half = len(body) // 2
            connection.send(body[:half])
            if send is not None:
                raise ConnectionLost
            if staged:
                self._act(Stage.HALFWAY)
            connection.send(body[half:])
            if staged:
                self._act(Stage.SENT)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionLost from error
        finally:
            connection.close()

    def _act(self, stage: Stage) -> None:
        with self._lock:
            act = self._acts.pop(stage, None)
        if act is not None:
            act()

    def _hurried(self, path: str, content: bytes) -> bytes:
        if not path.endswith("/heartbeat"):
            return content
        pace = {"next_heartbeat_seconds": 0.2, "collection_interval_minutes": self.interval_seconds / 60}
        return json.dumps({**json.loads(content), **pace}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that is killed breaks its connections: nothing to print."""


def carries_rows(body: bytes) -> bool:
    """Tell whether an upload stores anything; the others ask for cursors, bring texts or are for an audit."""
    upload = unpacked(body)
    return bool(upload.get("queries")) or bool(upload.get("lost_rows"))


def place(body: bytes) -> tuple[int, int]:
    """Return where an upload stands in its source."""
    upload = unpacked(body)
    return (upload["epoch"], upload["seq"]) if "seq" in upload else (0, upload["position"])


def unpacked(body: bytes) -> dict[str, Any]:
    """Return the JSON of an upload."""
    upload: dict[str, Any] = json.loads(zlib.decompress(body, 16 + zlib.MAX_WBITS))
    return upload


def _handler_for(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = ("X-Collector-API-Key", "Content-Type", "Content-Encoding")
            headers = {name: self.headers[name] for name in kept if self.headers[name]}
            try:
                status, answered, content = proxy.pass_on(self.path, body, headers)
            except ConnectionLost:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # The agent may have been killed in the meantime.
                self.send_response(status)
                for name in ("Content-Type", "Retry-After"):
                    if name in answered:
                        self.send_header(name, answered[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    return Handler
