"""A small backend that keeps the contract of docs/wire.md, for tests of the agent. It refuses what breaks the contract."""

import json
import threading
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

KEY = "collector_7_secret_with_underscores"
COLLECTOR_ID = 7

SLOW_QUERY = {
    "fingerprint_id": str,
    "fingerprint": str,
    "query_time": float,
    "lock_time": float,
    "rows_sent": int,
    "rows_examined": int,
    "rows_affected": int,
    "database": str,
    "user": str,
    "host": str,
    "age_seconds": float,
    "time_approximate": bool,
}
STATEMENT = {
    "key": str,
    "digest": str,
    "database": str,
    "user": str,
    "since": str | None,
    "calls": int,
    "total_time_ns": int,
    "min_time_ns": int,
    "max_time_ns": int,
    "rows": int,
    "counters": dict,
}


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"detail": code, "code": code, "errors": {}, **more}


class FakeBackend:
    """Holds what a control plane would hold. Tests change its attributes and read its records."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.commands: list[dict[str, Any]] = []
        self.auto_collect = True
        self.interval_minutes = 5.0
        self.config_version = 1
        self.lease: dict[str, Any] | None = {"held": True, "epoch": 1, "expires_in_seconds": 90}
        self.pace = 0.5
        self.want_texts = False
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.refuse_uploads_with: int | None = None
        self.lose_answers = 0
        self.heartbeats: list[dict[str, Any]] = []
        self.reports: list[tuple[int, dict[str, Any]]] = []
        self.uploads: list[dict[str, Any]] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.lost: Counter[str] = Counter()
        self.duplicates = 0
        self.cursors: dict[str, dict[str, Any]] = {}
        self.moved_last: str | None = None
        self.parts: dict[str, dict[int, list[dict[str, Any]]]] = {}
        self.snapshots: list[dict[str, Any]] = []
        self.texts: dict[str, str | None] = {}
        self.largest_upload = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self._server.daemon_threads = True
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def command(self, number: int, name: str, **params: Any) -> None:
        """Queue a command; it is delivered with every heartbeat until its result arrives."""
        with self.lock:
            self.commands.append(
                {"id": number, "command": name, "params": params, "expires_at": "2030-01-01T00:00:00Z"}
            )

    @property
    def all_rows(self) -> list[dict[str, Any]]:
        with self.lock:
            return [row for rows in self.rows.values() for row in rows]

    def unpacked(self, path: str, content: bytes, encoding: str | None) -> bytes:
        """The plain body. Every upload is gzip, and no larger on the wire than the contract allows."""
        if path.endswith("/bulk"):
            if encoding != "gzip":
                raise Refused(415, "not_gzip")
            with self.lock:
                self.largest_upload = max(self.largest_upload, len(content))
        return unpack(content, encoding)

    def handle(self, path: str, key: str | None, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if self.failures:
                status, headers = self.failures.pop(0)
                raise Refused(status, "told_to_fail", headers=headers)
            if key != KEY:
                raise Refused(401, "invalid_key")
            parts = path.removeprefix("/api/v1/").strip("/").split("/")
            match parts:
                case ["collectors", "7", "heartbeat"]:
                    return self._heartbeat(body)
                case ["collectors", "7", "commands", number, "execute"]:
                    return self._report(int(number), body)
                case ["queries", "bulk"]:
                    return self._bulk(body)
            raise Refused(404, "not_found")

    def _heartbeat(self, body: dict[str, Any]) -> dict[str, Any]:
        self.heartbeats.append(body)
        return {
            "status": "ok",
            "commands": list(self.commands),
            "auto_collect": self.auto_collect,
            "collection_interval_minutes": self.interval_minutes,
            "config_version": self.config_version,
            "lease": self.lease,
            "next_heartbeat_seconds": self.pace,
            "server_time": "2026-01-01T00:00:00Z",
        }

    def _report(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        if set(body) != {"success", "result"} or not isinstance(body["success"], bool):
            raise Refused(400, "invalid")
        for command in self.commands:
            if command["id"] == number:
                self.commands.remove(command)
                self.reports.append((number, body))
                return command
        if number in {reported for reported, _ in self.reports}:
            # A command that was delivered twice is reported twice; the second time changes nothing.
            return {"id": number}
        raise Refused(404, "no_such_command")

    def _bulk(self, body: dict[str, Any]) -> dict[str, Any]:
        self.uploads.append(body)
        if self.refuse_uploads_with and (body["queries"] or body.get("texts")):
            raise Refused(self.refuse_uploads_with, "refused")
        require(len(body["queries"]) <= 5000)
        require(isinstance(body["epoch"], int) and body["age_seconds"] >= 0)
        if body["source"] == "slow_log":
            return self._slow_log(body)
        if "texts" in body:
            self.texts.update({text["key"]: text["fingerprint"] for text in body["texts"]})
            return answer(None)
        return self._snapshot(body)

    def _slow_log(self, body: dict[str, Any]) -> dict[str, Any]:
        queries = body["queries"]
        if not queries:
            generation = body.get("generation", self.moved_last)
            return answer(self._cursor(generation) if generation else None)
        for query in queries:
            check_members(query, SLOW_QUERY)
        generation, position = body["generation"], body["position"]
        cursor = self._cursor(generation)
        begins = position - body["lost_rows"]
        if begins > cursor["position"]:
            raise Refused(409, "cursor_mismatch", cursor=cursor)
        self.lost[generation] += max(0, position - cursor["position"])
        known = max(0, min(cursor["position"] - position, len(queries)))
        self.duplicates += known
        self.rows.setdefault(generation, []).extend(queries[known:])
        if position + len(queries) > cursor["position"]:
            self.cursors[generation] = {
                "generation": generation,
                "position": position + len(queries),
                "row_hash": body["row_hash"],
            }
            self.moved_last = generation
        return answer(self._cursor(generation), accepted=len(queries) - known, duplicates=known)

    def _cursor(self, generation: str) -> dict[str, Any]:
        return self.cursors.get(generation, {"generation": generation, "position": 0, "row_hash": None})

    def _snapshot(self, body: dict[str, Any]) -> dict[str, Any]:
        for query in body["queries"]:
            check_members(query, STATEMENT)
        staged = self.parts.setdefault(body["snapshot_id"], {})
        staged[body["part"]] = body["queries"]
        if len(staged) < body["parts"]:
            return answer(None)
        order = (body["epoch"], body["seq"])
        if self.snapshots and order <= (self.snapshots[-1]["epoch"], self.snapshots[-1]["seq"]):
            return answer(None) | {"stale": True}
        rows = [query for part in sorted(staged) for query in staged[part]]
        require(len(rows) == body["rows"] and len({row["key"] for row in rows}) == len(rows))
        self.snapshots.append({**body, "queries": rows})
        wanted = [row["key"] for row in rows if row["key"] not in self.texts] if self.want_texts else []
        return answer(None, accepted=len(rows)) | {"text_wanted": wanted[:500]}


def answer(cursor: dict[str, Any] | None, accepted: int = 0, duplicates: int = 0) -> dict[str, Any]:
    return {"accepted": accepted, "duplicates": duplicates, "stale": False, "cursor": cursor, "text_wanted": []}


def require(fulfilled: bool) -> None:
    if not fulfilled:
        raise Refused(400, "invalid")


def check_members(member: dict[str, Any], shape: dict[str, Any]) -> None:
    require(set(member) == set(shape))
    require(all(isinstance(member[name], kind) for name, kind in shape.items()))


def handler_for(backend: FakeBackend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers: dict[str, str] = {}
            try:
                body = json.loads(backend.unpacked(self.path, content, self.headers.get("Content-Encoding")))
                status, result = 200, backend.handle(self.path, self.headers.get("X-Collector-API-Key"), body)
            except Refused as refusal:
                headers = refusal.body.pop("headers", {})
                status, result = refusal.status, refusal.body
            with backend.lock:
                lost = backend.lose_answers > 0 and self.path.endswith("/bulk")
                backend.lose_answers -= lost
            if lost:
                self.close_connection = True
                return
            payload = json.dumps(result).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(payload)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    return Handler


def unpack(content: bytes, encoding: str | None) -> bytes:
    """One gzip stream of at most 1 MiB, as a strict reader would take it."""
    if encoding is None:
        return content
    if len(content) > 1024 * 1024:
        raise Refused(413, "too_large")
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
    plain = decompressor.decompress(content, 16 * 1024 * 1024)
    if decompressor.unconsumed_tail or decompressor.unused_data or not decompressor.eof:
        raise Refused(413, "too_large")
    return plain
