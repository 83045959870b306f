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
    named = {(entry.object_type, entry.object_id) for entry in newest if entry.object_id is not None}
    seen = seen_objects(named, principal)
    known = [e for e in newest if e.organization_id in audited or (e.object_type, e.object_id) in seen]
    return known[:limit]


def seen_objects(named: set[tuple[str, int]], principal: Principal) -> set[tuple[str, int]]:
    """Return those of the objects, each a kind and an id as the audit names them, that the principal may see."""
    by_kind: dict[str, set[int]] = defaultdict(set)
    for kind, pk in named:
        by_kind[kind].add(pk)
    return {(kind, pk) for kind, ids in by_kind.items() for pk in _seen(kind, ids, principal)}


def _seen(kind: str, ids: set[int], principal: Principal) -> set[int]:
    try:
        model = apps.get_model("collectors", kind)
    except LookupError:
        return set()
    return set(visible_to(model._default_manager.filter(pk__in=ids), principal).values_list("pk", flat=True))
