"""`dbpower-agent enroll`: a host makes itself a collector with an enrolment token, and its own key.

What was done is kept beside the configuration file until it stands in it: the number of the request before it is sent, the key
before its digest is. So the command can be run again after anything that went wrong, and makes neither a second collector nor
loses the key.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from dbpower_agent.atomic_files import write_atomically
from dbpower_agent.client import Answer, Connection
from dbpower_agent.keyring import new_key

if TYPE_CHECKING:
    from pathlib import Path


class EnrolmentError(Exception):
    """The host could not be enrolled. The message says why, without any secret."""


def enroll(*, path: Path, url: str, token: str, name: str, ca: str = "") -> int:
    """Make the host a collector and write its id and key into the configuration file; returns the collector's id.

    Raises `EnrolmentError`, `BackendUnreachableError`, and OSError when something cannot be stored.
    """
    config = _read(path)
    notes = path.with_name(f".{path.name}.enrolment")
    done = _read(notes)
    if not done and config.get("collector_id") and config.get("api_key"):
        return int(config["collector_id"])
    if done.get("url") != url:
        done = {"url": url, "request_id": secrets.token_hex(16)}
        write_atomically(notes, json.dumps(done).encode())
    connection = Connection(url, timeout=15.0, ca=ca)
    try:
        asked = {"token": token, "request_id": done["request_id"], "name": name}
        answer = _taken(connection.send("POST", "enrolments", json.dumps(asked).encode()))
        collector_id = int(answer.body["collector_id"])
        if "key" not in done:
            done["key"] = new_key(collector_id)
            write_atomically(notes, json.dumps(done).encode())
        told = {
            "token": token,
            "request_id": done["request_id"],
            "sha256": hashlib.sha256(done["key"].encode()).hexdigest(),
        }
        _taken(connection.send("PUT", "enrolments/key", json.dumps(told).encode()))
    finally:
        connection.close()
    mine = {"collector_id": collector_id, "api_key": done["key"], "backend_url": url, "db_type": answer.body["type"]}
    write_atomically(path, json.dumps({**config, **mine}, indent=2).encode() + b"\n")
    notes.unlink()
    return collector_id


def _taken(answer: Answer) -> Answer:
    if answer.status != 200:
        raise EnrolmentError(answer.detail)
    return answer


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EnrolmentError(f"{path}: cannot be read, or is not valid JSON") from error
    if not isinstance(raw, dict):
        raise EnrolmentError(f"{path}: must hold one JSON object")
    return raw
