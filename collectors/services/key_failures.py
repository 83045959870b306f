"""How many wrong keys and enrolment tokens a network may send: an answer that says less, and an audit whose rows stay few.

A key is looked at before anything is counted, and a good one is never refused: nobody behind the same address can lock a
collector out. So it is enough that each process counts for itself, in memory.
"""

import threading
import time
from collections import OrderedDict
from typing import Final

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import AuditEntry
from collectors.services.login_throttles import network_of

_KEPT: Final = 10_000
# By kind and network: when its window began, and how many wrong ones came in it.
_counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
_ACTIONS: Final = {"collector": "key.refused", "enrolment_token": "enrolment_token.refused"}
_lock = threading.Lock()


def note(*, presented: str, address: str, path: str) -> int | None:
    """Count a wrong key; return for how many seconds the network has had its fill, or None while it has not.

    `presented` names whose key it would be: "collector" or "enrolment_token"; each is counted by itself. The first one of
    each window is written into the audit.
    """
    counted = presented, network_of(address)
    now = time.monotonic()
    with _lock:
        began, count = _counts.get(counted, (now, 0))
        if now - began >= limits.KEY_FAILURES_WINDOW_SECONDS:
            began, count = now, 0
        _counts[counted] = (began, count + 1)
        _counts.move_to_end(counted)
        if len(_counts) > _KEPT:
            _counts.popitem(last=False)
    if count == 0:
        actor = Actor(label="anonymous", address=address)
        AuditEntry.objects.create(
            actor=actor.label,
            action=_ACTIONS[presented],
            object_type=presented.replace("_", ""),
            after={"path": path[:500]},
            address=actor.address,
        )
    if count < limits.KEY_FAILURES_PER_WINDOW:
        return None
    return max(1, round(limits.KEY_FAILURES_WINDOW_SECONDS - (now - began)))


def forget() -> None:
    """Begin anew, as a process that was just started."""
    with _lock:
        _counts.clear()
