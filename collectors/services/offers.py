"""What people made that lets others in: open invitations and enrolment tokens. They end with the role of whoever made them.

Otherwise an administrator who was removed would come back by a link made before, or add hosts for as long as a token lasts.
"""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from collectors.domain.actors import Actor
from collectors.models import EnrolmentToken, Invitation, Organization, Team, User
from collectors.services import audit


@transaction.atomic
def withdraw_of(*, user: User, actor: Actor, organization: Organization | None = None) -> None:
    """Revoke what somebody made, in one organization or in all of them."""
    place = Q() if organization is None else Q(organization=organization)
    revoke_invitations(Invitation.objects.open().filter(place, invited_by=user), actor)
    _revoke_tokens(EnrolmentToken.objects.filter(place, created_by=user), actor)


@transaction.atomic
def withdraw_in(place: Organization | Team, *, actor: Actor) -> None:
    """Revoke what leads into an organization or a team that is about to be removed."""
    where = Q(team=place) if isinstance(place, Team) else Q(organization=place)
    revoke_invitations(Invitation.objects.open().filter(where), actor)
    _revoke_tokens(EnrolmentToken.objects.filter(where), actor)


@transaction.atomic
def revoke_invitations(rows: QuerySet[Invitation], actor: Actor) -> None:
    """Revoke each of these open invitations, with a row of the audit of its own."""
    for row in rows.select_for_update():
        Invitation.objects.filter(pk=row.pk).update(revoked_at=Now())
        audit.record(actor=actor, action="invitation.revoke", row=row, organization_id=row.organization_id)


def _revoke_tokens(rows: QuerySet[EnrolmentToken], actor: Actor) -> None:
    # Those that expired too: a host that came in time may still tell its key with one.
    for row in rows.filter(revoked_at=None).select_for_update():
        EnrolmentToken.objects.filter(pk=row.pk).update(revoked_at=Now())
        audit.record(actor=actor, action="enrolment_token.revoke", row=row, organization_id=row.organization_id)
