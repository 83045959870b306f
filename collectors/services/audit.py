"""The audit rows that every other service writes, inside its transaction; and those of attempts that were refused."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db.models import Model
from django.utils import translation

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import AuditEntry, Organization

# The same refusal of the same person is written once in so many seconds, and only so many different ones, by each process:
# nobody fills the audit with it. That more were left out is written once.
_REFUSAL_SECONDS: Final = 60
_REFUSALS_PER_PERSON: Final = limits.REFUSALS_WRITTEN_PER_MINUTE
_REFUSALS_KEPT: Final = 10_000
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_refused: OrderedDict[tuple[Any, ...], float] = OrderedDict()
_written: OrderedDict[Any, tuple[float, int]] = OrderedDict()
_refused_lock = threading.Lock()


def record(
    *,
    actor: Actor,
    action: str,
    row: Model,
    organization_id: int | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one audit row. `before` and `after` hold the members that changed; callers leave secrets out."""
    AuditEntry.objects.create(
        organization_id=organization_id,
        user_id=actor.user_id,
        collector_id=actor.collector_id,
        actor=actor.label,
        action=action,
        object_type=row._meta.model_name or "",
        object_id=row.pk,
        object_label=_label_of(row),
        before=dict(before or {}),
        after=dict(after or {}),
        address=actor.address,
    )


def record_refusal(
    *, actor: Actor, method: str, path: str, view: str, row: Model | None = None, number: str = ""
) -> None:
    """Write down that somebody signed in asked for what their role does not permit. `row` is what it was asked of, if one.

    What was asked is told apart by `view`, the name of the address, and by the row, or the `number` of one in the address: the
    same thing has many spellings.
    """
    asked = row.pk if row is not None else int(number) if _NUMBER.fullmatch(number) else None
    allowed = _allowed(actor.user_id, (actor.user_id, method, view, asked))
    if allowed is None:
        return
    after = {"method": method, "path": path[:500]} if allowed else {"more": "left out for a minute"}
    AuditEntry.objects.create(
        organization_id=_organization_of(row),
        user_id=actor.user_id,
        collector_id=actor.collector_id,
        actor=actor.label,
        action="access.refused",
        object_type=row._meta.model_name or "" if row is not None else "",
        object_id=row.pk if row is not None else None,
        object_label=_label_of(row) if row is not None else "",
        after=after,
        address=actor.address,
    )


def record_refused_act(*, actor: Actor, action: str, row: Model) -> None:
    """Write down that an agent, or a host, asked for what its key or token does not permit. Outside of what was rolled back."""
    if _allowed((action, row.pk), (action, row.pk, actor.address)):
        record(actor=actor, action=action, row=row, organization_id=_organization_of(row))


def forget_refusals() -> None:
    """Begin anew, as a process that was just started."""
    with _refused_lock:
        _refused.clear()
        _written.clear()


def _label_of(row: Model) -> str:
    """Return how the row is called: what is stored reads the same whoever acts, in whatever language."""
    with translation.override(settings.LANGUAGE_CODE):
        return str(row)[:254]


def _allowed(who: Any, refusal: tuple[Any, ...]) -> bool | None:
    """Return whether a refusal is to be written: True; False for that it and more are left out; None for nothing at all."""
    now = time.monotonic()
    with _refused_lock:
        last = _refused.get(refusal)
        if last is not None and now - last < _REFUSAL_SECONDS:
            return None
        began, written = _written.get(who, (now, 0))
        if now - began >= _REFUSAL_SECONDS:
            began, written = now, 0
        if written > _REFUSALS_PER_PERSON:
            return None
        _keep(_written, who, (began, written + 1))
        if written == _REFUSALS_PER_PERSON:
            return False
        _keep(_refused, refusal, now)
        return True


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _REFUSALS_KEPT:
        kept.popitem(last=False)


def _organization_of(row: Model | None) -> int | None:
    if isinstance(row, Organization):
        return row.pk
    organization_id: int | None = getattr(row, "organization_id", None)
    return organization_id
