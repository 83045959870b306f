"""Connections of the web process: whole requests go to a thread and whole answers leave one, whatever the client's pace.

waitress keeps what comes in and what goes out apart from the threads that answer. What it does not have is added here: a
deadline for each request and each answer (its own time-out begins anew with every byte, and never closes a client that
stopped reading), a bound on what is kept for all connections together, and a sign that the threads get their turn.
"""

import json
import logging
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import BadRequest, Error

_logger = logging.getLogger(__name__)

HEADER_BYTES: Final = 32 << 10
# The largest body that the API reads; waitress refuses what is as large as its limit.
BODY_BYTES: Final = (16 << 20) + 1
# A client has this long to send a request, and again to read the answer; longer while it keeps up this pace on the average.
PATIENCE_SECONDS: Final = 10.0
BYTES_PER_SECOND: Final = 16 << 10
CONNECTIONS: Final = 500
# Bodies and answers beyond these sizes wait in temporary files.
BODY_IN_MEMORY: Final = 64 << 10
ANSWER_IN_MEMORY: Final = 1 << 20
# A thread that has produced so much more than its client has read waits for the client, for as long as PATIENCE_SECONDS.
ANSWER_BYTES: Final = 256 << 20
# Of all connections together; the one that holds most has to go.
KEPT_BYTES: Final = 512 << 20
# Framing of a chunked body: the line of a chunk's size, and the trailer.
_FRAMING_BYTES: Final = 8 << 10
SIGN_SECONDS: Final = 10.0
# A process whose threads have not come to its sign for so long leaves new connections to the others.
_BUSY_SECONDS: Final = 5.0
_REFUSALS: Final = {
    400: ("invalid", "The request is not valid HTTP."),
    413: ("too_large", "The body is too large."),
    431: ("headers_too_large", "The headers are too large."),
    501: ("not_implemented", "This Transfer-Encoding is not supported."),
}


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request, taken in. Names of headers with an underscore are dropped: a proxy would have let them pass as others."""

    def received(self, data: bytes) -> int:
        """Take in data; return how much of it belongs to this request."""
        consumed: int = super().received(data)
        body = self.body_rcv
        framing = len(body.control_line) + len(body.trailer) if self.chunked and body is not None else 0
        if framing > _FRAMING_BYTES:
            self.error = BadRequest("a chunk without end")
            self.completed = True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers. A body whose end can be understood in two ways is refused."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("a number or an address is not valid") from error
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Transfer-Encoding together with what excludes it")


class Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request, in the API's one shape of errors."""

    def execute(self) -> None:
        """Write the answer and close the connection."""
        error: Error = self.request.error
        code, detail = _REFUSALS.get(error.code, ("error", "Something went wrong on the server."))
        body = json.dumps({"detail": detail, "code": code, "errors": {}}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        self.content_length = len(body)
        self.set_close_on_finish()
        self.write(body)


class Connection(HTTPChannel):  # type: ignore[misc]
    """One client. `since` is when it began what it is at, or was last found to be quick enough at it."""

    parser_class = Parser
    error_task_class = Refusal

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.sent = 0
        self.since = time.monotonic()
        self.full_since: float | None = None
        self.answered = 0
        self._stage = ("sending", 0)
        self._mark = 0
        super().__init__(*arguments, **named)

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001 - waitress's signature
        """Send what the client takes; return how many bytes that were."""
        count: int = super().send(data, do_close)
        self.sent += count
        return count

    @property
    def idle(self) -> bool:
        """Whether no request is being answered, and no part of an answer waits to be read."""
        return not self.requests and not self.total_outbufs_len

    @property
    def kept(self) -> int:
        """Bytes of bodies and answers that are kept for it."""
        partial = self.request
        return int(self.total_outbufs_len) + (int(partial.body_bytes_received) if partial is not None else 0)

    def service(self) -> None:
        """Answer a request, in a thread."""
        super().service()
        self.answered += 1

    def overdue(self, now: float) -> bool:
        """Tell whether the client takes too long. To be called about once a second."""
        full = self.total_outbufs_len > self.adj.outbuf_high_watermark
        self.full_since = (self.full_since or now) if full else None
        if self.full_since is not None and now - self.full_since > PATIENCE_SECONDS:
            return True
        doing = "reading" if self.total_outbufs_len else "waiting" if self.requests else "sending"
        partial = self.request
        moved = self.sent if doing == "reading" else partial.body_bytes_received if partial is not None else 0
        enough = moved - self._mark >= PATIENCE_SECONDS * BYTES_PER_SECOND
        if (doing, self.answered) != self._stage or (enough and now - self.since > PATIENCE_SECONDS):
            self._stage, self.since, self._mark = (doing, self.answered), now, moved
        return doing != "waiting" and now - self.since > PATIENCE_SECONDS


class Sign:
    """Something that waits for a thread like any request, and when it gets one in time proves that requests do."""

    def __init__(self, prove: Callable[[], None]) -> None:
        self._prove = prove
        self.asked = time.monotonic()
        self.done = threading.Event()

    def service(self) -> None:
        """Have the proof recorded, unless agents would have given up by now."""
        try:
            if time.monotonic() - self.asked < SIGN_SECONDS:
                self._prove()
        finally:
            self.done.set()

    def cancel(self) -> None:
        """Be thrown away: the process ends."""
        self.done.set()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """A web process's connections, and its threads. waitress's own time-out and limit of connections are not used."""

    channel_class = Connection

    def serve(self, prove: Callable[[], None], *, ended: Callable[[], bool], grace: float) -> None:
        """Serve until `ended`; then answer what has come in, for `grace` seconds at most.

        One of the threads calls `prove` about every SIGN_SECONDS, when it comes to it in time.
        """
        sign: Sign | None = None
        looked = 0.0
        while not ended():
            self._make_room()
            self._turn()
            now = time.monotonic()
            if now - looked < 1:
                continue
            looked = now
            self.look_after(now)
            if sign is None or (sign.done.is_set() and now - sign.asked >= SIGN_SECONDS):
                sign = Sign(prove)
                self.add_task(sign)
            self.accepting = sign.done.is_set() or now - sign.asked < _BUSY_SECONDS
        self._finish(time.monotonic() + grace)

    def look_after(self, now: float) -> None:
        """Close the connections of those who take too long, and the largest while too much is kept for all."""
        connections = list(self.active_channels.values())
        for connection in connections:
            if connection.overdue(now):
                connection.handle_close()
        kept = {connection: connection.kept for connection in connections if connection.connected}
        while sum(kept.values()) > KEPT_BYTES:
            largest = max(kept, key=lambda connection: kept[connection])
            largest.handle_close()
            del kept[largest]

    def readable(self) -> bool:
        """Tell whether a new connection is wanted."""
        return bool(self.accepting) and len(self.active_channels) < CONNECTIONS

    def fix_addr(self, addr: Any) -> Any:
        """Return the client's address without the zone of a link-local one: that is a name of this host's own."""
        return (addr[0].partition("%")[0], *addr[1:])

    def _make_room(self) -> None:
        """Keep a place free for who comes next: the one that has kept us waiting longest for a request loses its own."""
        if len(self.active_channels) >= CONNECTIONS:
            waiting = [connection for connection in self.active_channels.values() if connection.idle]
            if waiting:
                min(waiting, key=lambda connection: connection.since).handle_close()

    def _turn(self) -> None:
        wasyncore.loop(timeout=1, use_poll=hasattr(select, "poll"), map=self._map, count=1)

    def _finish(self, deadline: float) -> None:
        self.accepting = False
        while time.monotonic() < deadline:
            for connection in list(self.active_channels.values()):
                if connection.idle:
                    connection.handle_close()
            if not self.active_channels:
                break
            self._turn()
        self.task_dispatcher.shutdown(timeout=0.5)


def listen(application: Any, listening: Any, threads: int) -> Server:
    """Return a server on the listening socket, which other processes may share."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(threads)
    limits = Adjustments(
        sockets=[listening],
        threads=threads,
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=BODY_BYTES,
        inbuf_overflow=BODY_IN_MEMORY,
        outbuf_overflow=ANSWER_IN_MEMORY,
        outbuf_high_watermark=ANSWER_BYTES,
        # Django's own middleware judges them, by the networks in DBPOWER_TRUSTED_PROXIES.
        clear_untrusted_proxy_headers=False,
        # What strangers do to their connections is not worth a traceback each.
        log_socket_errors=False,
        ident="",
    )
    name = (listening.family, listening.type, listening.proto, listening.getsockname())
    return Server(application, {}, True, listening, dispatcher=dispatcher, adj=limits, bind_socket=False, sockinfo=name)
