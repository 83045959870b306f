"""What a person did, as far as the person may still know of it."""

from collections import defaultdict
from typing import Final

from django.apps import apps

from collectors.access.principals import Principal
from collectors.access.scopes import visible_to
from collectors.domain.roles import Permission
from collectors.models import AuditEntry

_LOOKED_THROUGH: Final = 100


def own_acts(principal: Principal, *, limit: int) -> list[AuditEntry]:
    """Return what the person did last: to what is theirs to see by their present roles, and in organizations whose audit is."""
    newest = AuditEntry.objects.filter(user_id=principal.user_id)[:_LOOKED_THROUGH]
    if principal.user_id is None or principal.is_superuser:
        return list(newest[:limit]) if principal.is_superuser else []
    audited = principal.organizations(Permission.AUDIT_VIEW)
    touched: dict[str, set[int]] = defaultdict(set)
    for entry in newest:
        if entry.object_id is not None:
            touched[entry.object_type].add(entry.object_id)
    seen = {kind: _seen(kind, ids, principal) for kind, ids in touched.items()}
    known = [e for e in newest if e.organization_id in audited or e.object_id in seen.get(e.object_type, set())]
    return known[:limit]


def _seen(kind: str, ids: set[int], principal: Principal) -> set[int]:
    try:
        model = apps.get_model("collectors", kind)
    except LookupError:
        return set()
    return set(visible_to(model._default_manager.filter(pk__in=ids), principal).values_list("pk", flat=True))
