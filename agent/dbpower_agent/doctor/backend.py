"""Examines the way to the backend: address, key, clock."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from dbpower_agent.client import Answer, BackendUnreachableError, Client
from dbpower_agent.doctor.findings import Finding, bad, good
from dbpower_agent.keyring import FILE_NAME, KeyRing, KeysUnusableError
from dbpower_agent.payload import build_request, empty_tail

if TYPE_CHECKING:
    from dbpower_agent.config import AgentConfig

KEY: Final = re.compile(r"collector_(\d+)_.{8,}")
TOLERATED_SKEW_SECONDS: Final = 30.0


def examine_backend(config: AgentConfig) -> list[Finding]:
    findings = [_key_format(config)]
    try:
        keys = KeyRing(config.state_dir, config.api_key)
    except KeysUnusableError as error:
        remedy = "run doctor as the agent's user, or as root; never beside another state directory than the agent's"
        return [*findings, bad("key", str(error), remedy)]
    client = Client(config, keys)
    try:
        # An upload without members asks a question and changes nothing: unlike a heartbeat, it takes no commands
        # away from an agent that runs beside this examination.
        envelope = {"source": "slow_log", "epoch": 0, "age_seconds": 0, "interval_seconds": None}
        answer = client.upload(build_request(envelope, empty_tail()))
    except BackendUnreachableError as error:
        remedy = "check backend_url, the network, proxies and backend_ca"
        return [*findings, bad("backend", f"{config.backend_url} does not answer: {error}", remedy)]
    finally:
        client.close()
    findings.append(_reachable(config, answer))
    if answer.status < 500:
        findings.append(_key_accepted(answer, config, keys))
    return [*findings, *_clock(answer.date)]


def _key_format(config: AgentConfig) -> Finding:
    match = KEY.fullmatch(config.api_key)
    if match is None:
        return bad("key format", "api_key does not look like a collector key", "copy the whole key: collector_ID_TOKEN")
    if int(match[1]) != config.collector_id:
        return bad(
            "key format",
            f"the key belongs to collector {match[1]}, collector_id is {config.collector_id}",
            f"set collector_id to {match[1]}, or use the key of collector {config.collector_id}",
        )
    return good("key format", f"the key is one of collector {config.collector_id}")


def _reachable(config: AgentConfig, answer: Answer) -> Finding:
    if answer.status >= 500 or answer.status == 404:
        return bad(
            "backend", f"{config.backend_url}: {answer.detail}", "check backend_url and the state of the backend"
        )
    return good("backend", f"{config.backend_url} answers")


def _key_accepted(answer: Answer, config: AgentConfig, keys: KeyRing) -> Finding:
    if answer.status not in {401, 403}:
        return good("key", "the backend accepts the key")
    remedy = "make a new key by hand in the console and put it into api_key"
    if keys.is_stored:
        remedy = f"{remedy}; the refused one stands in {config.state_dir / FILE_NAME}"
        return bad("key", "the backend refuses the key that the agent made itself", remedy)
    # The agent may have made a key since, in a state directory that this process was not told of.
    remedy = (
        f"if the agent uses another state directory than {config.state_dir}, name it (STATE_DIRECTORY=... before the command) "
        f"and look again: the agent may have made itself a key, which stands there; otherwise {remedy}"
    )
    return bad("key", "the backend refuses the configured key", remedy)


def _clock(date: str | None) -> list[Finding]:
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return []
    skew = time.time() - moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if abs(skew) > TOLERATED_SKEW_SECONDS:
        detail = f"this host's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} the backend's"
        return [bad("clock", detail, "synchronise the clock: timedatectl set-ntp true")]
    return [good("clock", f"within {abs(skew):.0f} seconds of the backend's")]
