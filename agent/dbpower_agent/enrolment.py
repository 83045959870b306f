"""`dbpower-agent enroll`: a host makes itself a collector with an enrolment token, and its own key.

What was done is kept beside the configuration file until it stands in it: the number of the request before it is sent, the key
before its digest is. So the command can be run again after anything that went wrong, and makes neither a second collector nor
loses the key. What was noted belongs to one address, one token and one collector: with another of them it begins anew, unless
the noted key is good by then.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dbpower_agent.atomic_files import write_atomically
from dbpower_agent.client import Answer, Connection
from dbpower_agent.keyring import new_key
from dbpower_agent.payload import build_request, empty_tail

ENGINES: Final = ("mysql", "postgres")
WHAT_TO_DO: Final = {
    "has_key": "make a key by hand in the console and put it into api_key, or remove the collector there and enroll again",
    "too_late": "remove the collector in the console, and enroll again",
}


class EnrolmentError(Exception):
    """The host could not be enrolled. The message says why, without any secret."""


@dataclass(frozen=True)
class Enrolled:
    """The host's collector; `how` in a few words where nothing was enrolled now."""

    collector_id: int
    how: str = ""


@dataclass
class Notes:
    """What was done so far, as it stands in a file until all is done."""

    path: Path
    content: dict[str, Any]

    def keep(self, **members: Any) -> None:
        self.content = {**self.content, **members}
        write_atomically(self.path, json.dumps(self.content).encode())


def enroll(*, path: Path, url: str, token: str, name: str, ca: str = "", allow_insecure_http: bool = False) -> Enrolled:
    """Make the host a collector and write its id and key, and what leads to the backend, into the configuration file.

    Raises `EnrolmentError`, `BackendUnreachableError`, and OSError when something cannot be stored.
    """
    # A link stays one: what it leads to is replaced.
    path = path.resolve()
    config = _read(path)
    way = {"backend_url": url}
    if ca:
        way["backend_ca"] = str(Path(ca).absolute())
    if allow_insecure_http:
        way["allow_insecure_http"] = True  # type: ignore[assignment]
    notes = Notes(path.with_name(f".{path.name}.enrolment"), _read(path.with_name(f".{path.name}.enrolment")))
    if not notes.content and config.get("collector_id") and config.get("api_key"):
        return Enrolled(_number(config["collector_id"]), "enrolled before")
    connection = Connection(url, timeout=15.0, ca=way.get("backend_ca") or _text(config.get("backend_ca")))
    try:
        how = "its key had been told before" if _is_told(connection, url, notes.content) else ""
        if not how:
            _tell(connection, url, token, name, notes)
    finally:
        connection.close()
    done = notes.content
    mine = {"collector_id": done["collector_id"], "api_key": done["key"], "db_type": done["type"], **way}
    former = path.stat() if path.exists() else None
    write_atomically(path, json.dumps({**config, **mine}, indent=2).encode() + b"\n", like=former)
    notes.path.unlink()
    return Enrolled(done["collector_id"], how)


def _tell(connection: Connection, url: str, token: str, name: str, notes: Notes) -> None:
    """Get a collector, make its key, and tell its digest; all of it stands in the notes then."""
    fingerprint = hashlib.sha256(token.encode()).hexdigest()
    known = notes.content
    if (known.get("url"), known.get("token_sha256")) != (url, fingerprint) or "request_id" not in known:
        notes.content = {}
        notes.keep(url=url, token_sha256=fingerprint, request_id=secrets.token_hex(16))
    collector_id, engine = _asked(connection, token, name, notes)
    known = notes.content
    if known.get("collector_id") != collector_id or not isinstance(known.get("key"), str):
        notes.keep(collector_id=collector_id, type=engine, key=new_key(collector_id))
    told = {"token": token, "request_id": notes.content["request_id"], "sha256": _digest(notes.content["key"])}
    answer = connection.send("PUT", "enrolments/key", json.dumps(told).encode())
    what_to_do = WHAT_TO_DO.get(str(answer.body.get("code"))) if answer.status == 409 else None
    if what_to_do:
        raise EnrolmentError(f"{answer.detail} This host is collector {collector_id}: {what_to_do}")
    _taken(answer)


def _asked(connection: Connection, token: str, name: str, notes: Notes) -> tuple[int, str]:
    """Return the collector of the noted request and its type; of a new request where that one's collector was removed."""
    for _ in range(2):
        asked = {"token": token, "request_id": notes.content["request_id"], "name": name}
        answer = connection.send("POST", "enrolments", json.dumps(asked).encode())
        if answer.status != 409 or answer.body.get("code") != "removed":
            break
        notes.content = {member: notes.content[member] for member in ("url", "token_sha256")}
        notes.keep(request_id=secrets.token_hex(16))
    body = _taken(answer).body
    if body.get("type") not in ENGINES:
        raise EnrolmentError("the backend's answer names no type of database that this agent knows")
    return _number(body.get("collector_id")), body["type"]


def _is_told(connection: Connection, url: str, noted: dict[str, Any]) -> bool:
    """Whether the noted key is good: it was told, and only the answer or what follows it was lost."""
    key = noted.get("key")
    if noted.get("url") != url or not isinstance(key, str) or noted.get("type") not in ENGINES:
        return False
    # An upload without members asks a question and changes nothing.
    envelope = {"source": "slow_log", "epoch": 0, "age_seconds": 0, "interval_seconds": None}
    headers = {"X-Collector-API-Key": key, "Content-Encoding": "gzip"}
    answer = connection.send("POST", "queries/bulk", build_request(envelope, empty_tail()), headers=headers)
    if answer.status >= 500:
        raise EnrolmentError(answer.detail)
    # A database of another type has no such source: that is said to a good key only.
    return answer.status == 200 or (answer.status == 400 and answer.body.get("code") == "invalid")


def _taken(answer: Answer) -> Answer:
    if answer.status != 200:
        raise EnrolmentError(answer.detail)
    return answer


def _number(told: object) -> int:
    if type(told) is not int or told < 1:
        raise EnrolmentError("the number of the collector is none")
    return told


def _text(told: object) -> str:
    return told if isinstance(told, str) else ""


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise EnrolmentError(f"{path}: cannot be read, or is not valid JSON") from error
    if not isinstance(raw, dict):
        raise EnrolmentError(f"{path}: must hold one JSON object")
    return raw
