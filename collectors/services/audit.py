"""The audit rows that every other service writes, inside its transaction."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from collectors.domain.actors import Actor
from collectors.models import AuditEntry


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
        object_label=str(row)[:254],
        before=dict(before or {}),
        after=dict(after or {}),
        address=actor.address,
    )
