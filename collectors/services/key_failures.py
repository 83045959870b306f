"""What strangers are refused, counted by network: wrong keys and enrolment tokens, of which too many get an answer that says less.

Of each kind, the first one in each window is written into the audit, whose rows stay few.

A key is looked at before anything is counted, and a good one is never refused: nobody behind the same address can lock a
collector out. So it is enough that each process counts for itself, in memory.
"""

import threading
import time
from collections import OrderedDict
from typing import Final

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import Collector
from collectors.services import audit
from collectors.services.login_throttles import network_of

_KEPT: Final = 10_000
# By kind and network: when its window began, and how many wrong ones came in it.
_counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
# What was not good: what it is called in the audit.
_ACTIONS: Final = {
    "collector": "key.refused",
    "enrolment_token": "enrolment_token.refused",
    "token": "token.refused",
    "invitation": "invitation.refused",
    "login": "login.throttled",
    "form": "form.refused",
}
ACTIONS: Final = tuple(_ACTIONS.values())
_lock = threading.Lock()


def note(*, presented: str, address: str, path: str, collector_id: int | None = None) -> int | None:
    """Count a wrong key; return for how many seconds the network has had its fill, or None while it has not.

    `presented` names whose key it would be: "collector" or "enrolment_token"; each is counted by itself. `collector_id` is the
    collector that the address names, whose organization learns of it.
    """
    actor = Actor(label="anonymous", address=address)
    count, left = _count(presented, address)
    if count == 0:
        _record(presented, actor, path, _organization_of(collector_id))
    return None if count < limits.KEY_FAILURES_PER_WINDOW else left


def note_refused(*, refused: str, actor: Actor, path: str = "") -> None:
    """Write down what a stranger was refused, or whoever `actor` is, unless the network's last one was less than a minute ago.

    `refused` names what was not good: "token", "invitation", "login" or "form".
    """
    count, _left = _count(refused, actor.address)
    if count == 0:
        organization_id = audit.organization_of_person(actor.user_id) if actor.user_id is not None else None
        _record(refused, actor, path, organization_id)


def _count(kind: str, address: str) -> tuple[int, int]:
    """Count one more; return how many came before it in its window, and how many seconds are left of that."""
    counted = kind, network_of(address)
    now = time.monotonic()
    with _lock:
        began, count = _counts.get(counted, (now, 0))
        if now - began >= limits.KEY_FAILURES_WINDOW_SECONDS:
            began, count = now, 0
        _counts[counted] = (began, count + 1)
        _counts.move_to_end(counted)
        if len(_counts) > _KEPT:
            _counts.popitem(last=False)
    return count, max(1, round(limits.KEY_FAILURES_WINDOW_SECONDS - (now - began)))


def _record(kind: str, actor: Actor, path: str, organization_id: int | None) -> None:
    audit.record(
        actor=actor,
        action=_ACTIONS[kind],
        object_type=kind.replace("_", ""),
        organization_id=organization_id,
        after={"path": path[:500]} if path else {},
    )


def _organization_of(collector_id: int | None) -> int | None:
    if collector_id is None:
        return None
    return Collector.objects.filter(pk=collector_id).values_list("organization_id", flat=True).first()


def forget() -> None:
    """Begin anew, as a process that was just started."""
    with _lock:
        _counts.clear()
