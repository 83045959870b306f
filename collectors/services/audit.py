"""The audit rows that every other service writes, inside its transaction; and those of attempts that were refused."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils import translation

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import AuditEntry, Membership, Organization, User

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
    row: Model | None = None,
    object_type: str = "",
    organization_id: int | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one audit row. `before` and `after` hold the members that changed; callers leave secrets out.

    `object_type` names what was acted on where it is no row.
    """
    AuditEntry.objects.create(
        organization_id=organization_id,
        user_id=actor.user_id,
        collector_id=actor.collector_id,
        actor=actor.label,
        action=action,
        **_object(row, object_type),
        before=dict(before or {}),
        after=dict(after or {}),
        address=actor.address,
    )


def record_refusal(
    *, actor: Actor, method: str, path: str, view: str, row: Model | None = None, number: str = "", reason: str = ""
) -> None:
    """Write down that somebody signed in asked for what they do not get. `row` is what it was asked of, if they may see it.

    What was asked is told apart by `view`, the name of the address, by the row, or the `number` of one in the address, and by
    `reason`, a code, where it is another one than a role that is too small: the same thing has many spellings.
    """
    asked = row.pk if row is not None else int(number) if _NUMBER.fullmatch(number) else None
    allowed = _allowed(actor.user_id, (actor.user_id, method, view, asked, reason))
    if allowed is None:
        return
    after = {"method": method, "path": path[:500], **({"reason": reason} if reason else {})}
    organization_id = _organization_of(row)
    if organization_id is None and actor.user_id is not None:
        organization_id = organization_of_person(actor.user_id)
    record(
        actor=actor,
        action="access.refused",
        row=row,
        organization_id=organization_id,
        after=after if allowed else {"more": "left out for a minute"},
    )


def record_refused_act(*, actor: Actor, action: str, row: Model) -> None:
    """Write down that an agent, or a host, asked for what its key or token does not permit. Outside of what was rolled back."""
    if _allowed((action, row.pk), (action, row.pk, actor.address)):
        organization_id = organization_of_person(row.pk) if isinstance(row, User) else _organization_of(row)
        record(actor=actor, action=action, row=row, organization_id=organization_id)


def organization_of_person(user_id: int) -> int | None:
    """Return the organization whose administrators learn what somebody was refused: the only one that they belong to."""
    return _only(Membership.objects.filter(user_id=user_id))


def organization_of_account(email: str) -> int | None:
    """Return the same for whoever's address it is; one query, also where it is nobody's: the time tells nothing."""
    return _only(Membership.objects.filter(user__email=email))


def _only(memberships: QuerySet[Membership]) -> int | None:
    found = memberships.order_by("organization_id").values_list("organization_id", flat=True).distinct()[:2]
    numbers = list(found)
    return numbers[0] if len(numbers) == 1 else None


def forget_refusals() -> None:
    """Begin anew, as a process that was just started."""
    with _refused_lock:
        _refused.clear()
        _written.clear()


def _object(row: Model | None, object_type: str = "") -> dict[str, Any]:
    if row is None:
        return {"object_type": object_type, "object_id": None, "object_label": ""}
    return {"object_type": row._meta.model_name or "", "object_id": row.pk, "object_label": _label_of(row)}


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
