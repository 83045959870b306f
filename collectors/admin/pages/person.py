"""What a person's page shows beside the form: roles, how they sign in, and what they did, as far as whoever looks may know."""

from typing import Any, Final

from django.db.models.functions import Now
from django.http import HttpRequest

from collectors.access import may, permitted, visible_to
from collectors.admin import role_words, signed_in
from collectors.admin.audit_words import tell
from collectors.domain.roles import Permission
from collectors.models import AuditEntry, LoginSession, Membership, Organization, PersonalToken, User
from collectors.services import second_factors

_ACTS: Final = 15


def person_context(request: HttpRequest, person: User) -> dict[str, Any]:
    """Return what the page shows. Logins and tokens are SUPER_ADMIN's and the person's own business."""
    asking = signed_in.principal(request)
    memberships = visible_to(Membership.objects.filter(user=person), asking).select_related("organization", "team")
    rows = list(memberships.order_by("organization__name", "team__name", "pk"))
    managed = permitted(Membership.objects.filter(user=person), asking, Permission.MEMBERSHIP_MANAGE)
    manages = set(managed.values_list("pk", flat=True))
    places = Organization.objects.filter(pk__in=[row.organization_id for row in rows])
    is_own = asking.is_superuser or asking.user_id == person.pk
    # An organization knows whether its members have a second factor, since it may ask for one.
    tells_factor = is_own or permitted(places, asking, Permission.ORGANIZATION_POLICY).exists()
    return {
        "person": person,
        "roles_held": [(row, role_words.of(row.role), row.pk in manages) for row in rows],
        "is_own": is_own,
        "tells_factor": tells_factor,
        "has_factor": tells_factor and second_factors.is_on(person),
        "logins": LoginSession.objects.filter(user=person, ended_at=None, expires_at__gt=Now()).count()
        if is_own
        else 0,
        "tokens": PersonalToken.objects.filter(user=person, revoked_at=None, expires_at__gt=Now()).count()
        if is_own
        else 0,
        "may_give": asking.holds(Permission.MEMBERSHIP_GIVE),
        "tells_acts": asking.holds(Permission.AUDIT_VIEW),
        "acts": tell(visible_to(AuditEntry.objects.filter(user_id=person.pk), asking)[:_ACTS], asking),
        "may_change_account": may(asking, Permission.USER_MANAGE, person),
    }
