"""The audit rows that every other service writes, inside its transaction; and those of attempts that were refused."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db.models import Model
from django.utils import translation

from collectors.domain.actors import Actor
from collectors.models import AuditEntry, Organization

# The same refusal of the same person is written once in so many seconds, by each process: nobody fills the audit with it.
_REFUSAL_SECONDS: Final = 60
_REFUSALS_KEPT: Final = 10_000
_refused: OrderedDict[tuple[Any, ...], float] = OrderedDict()
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


def record_refusal(*, actor: Actor, method: str, path: str, row: Model | None = None) -> None:
    """Write down that somebody signed in asked for what their role does not permit. `row` is what it was asked of, if one."""
    if not _is_new((actor.user_id, actor.address, method, path)):
        return
    AuditEntry.objects.create(
        organization_id=_organization_of(row),
        user_id=actor.user_id,
        collector_id=actor.collector_id,
        actor=actor.label,
        action="access.refused",
        object_type=row._meta.model_name or "" if row is not None else "",
        object_id=row.pk if row is not None else None,
        object_label=_label_of(row) if row is not None else "",
        after={"method": method, "path": path[:500]},
        address=actor.address,
    )


def forget_refusals() -> None:
    """Begin anew, as a process that was just started."""
    with _refused_lock:
        _refused.clear()


def _label_of(row: Model) -> str:
    """Return how the row is called: what is stored reads the same whoever acts, in whatever language."""
    with translation.override(settings.LANGUAGE_CODE):
        return str(row)[:254]


def _is_new(refusal: tuple[Any, ...]) -> bool:
    now = time.monotonic()
    with _refused_lock:
        last = _refused.get(refusal)
        if last is not None and now - last < _REFUSAL_SECONDS:
            return False
        _refused[refusal] = now
        _refused.move_to_end(refusal)
        if len(_refused) > _REFUSALS_KEPT:
            _refused.popitem(last=False)
        return True


def _organization_of(row: Model | None) -> int | None:
    if isinstance(row, Organization):
        return row.pk
    organization_id: int | None = getattr(row, "organization_id", None)
    return organization_id
