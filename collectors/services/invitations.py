"""Invitations: a role is offered by a link that is good once, and taken by whoever proves the account of its address.

Who invites learns nothing of the address: whether somebody has an account shows only to whoever accepts. And an account that
somebody made with an invitation to one organization opens no other: each has its own link.
"""

from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import invitations, limits
from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import Invitation, Organization, Team, User
from collectors.services import audit, logins, people
from collectors.services.errors import Refused


class Invited(NamedTuple):
    """A new invitation, and the token of its link, which nothing else holds."""

    row: Invitation
    token: str


@transaction.atomic
def invite(
    *,
    organization: Organization,
    team: Team | None,
    role: Role,
    email: str,
    actor: Actor,
    days: int = limits.INVITATION_DAYS,
) -> Invited:
    """Offer a role to whoever has that address. An open invitation of the same address to the same place is void from now on.

    Raises `Refused` when role and team do not fit, or too many invitations are open.
    """
    people.check_fit(organization, team, role)
    email = User.objects.normalize_email(email)
    Organization.objects.select_for_update().get(pk=organization.pk)
    waiting = Invitation.objects.open().filter(organization=organization)
    waiting.filter(team=team, email=email).update(revoked_at=Now())
    if waiting.count() >= limits.MAX_OPEN_INVITATIONS:
        message = _("%(count)d invitations of the organization are open. Revoke some first.") % {
            "count": limits.MAX_OPEN_INVITATIONS
        }
        raise Refused(message, code="too_many_invitations")
    token = invitations.generate_token()
    row = Invitation.objects.create(
        organization=organization,
        team=team,
        role=role,
        email=email,
        token_hash=invitations.digest_of(token),
        invited_by_id=actor.user_id,
        expires_at=Now() + timedelta(days=days),
    )
    audit.record(
        actor=actor,
        action="invitation.create",
        row=row,
        organization_id=organization.pk,
        after={"email": email, "team_id": team.pk if team else None, "role": role, "days": days},
    )
    row.refresh_from_db()
    return Invited(row, token)


@transaction.atomic
def revoke(*, invitation: Invitation, actor: Actor) -> None:
    """Make an open invitation void. One that has ended stays as it is."""
    if Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=Now()):
        audit.record(
            actor=actor, action="invitation.revoke", row=invitation, organization_id=invitation.organization_id
        )


def find(token: str) -> Invitation | None:
    """Return the open invitation whose link holds that token."""
    found = Invitation.objects.open().filter(token_hash=invitations.digest_of(token))
    return found.select_related("organization", "team").first()


def accept(*, token: str, password: str, actor: Actor, name: str = "") -> User:
    """Take the role with the password of the account, or with the first one of a new account; return whose it is.

    Raises `Refused` for a link that is not good, a wrong or a weak password, and for somebody who has a role there already;
    `TooManyAttempts`.
    """
    invitation = find(token)
    if invitation is None:
        raise _void()
    people.check_password(password, User(email=invitation.email))
    user = User.objects.filter(email=invitation.email).first()
    if user is not None and not _is_unclaimed(user, invitation):
        if logins.check_credentials(email=invitation.email, password=password, actor=actor) is None:
            message = _("This is not the password of the account with this address.")
            raise Refused(message, code="invalid", errors={"password": [message]})
        return accept_as(token=token, user=user, actor=actor)
    return _accept_with_new_password(token, password, name, actor)


@transaction.atomic
def accept_as(*, token: str, user: User, actor: Actor) -> User:
    """Take the role as somebody who is signed in to the account of its address. Raises `Refused` as `accept` does."""
    invitation = _locked(token)
    if user.email != invitation.email or not user.is_active:
        raise Refused(_("This invitation is for %(email)s.") % {"email": invitation.email}, code="other_account")
    return _take(invitation, user, actor)


@transaction.atomic
def _accept_with_new_password(token: str, password: str, name: str, actor: Actor) -> User:
    invitation = _locked(token)
    known = User.objects.select_for_update().filter(email=invitation.email).first()
    if known is None:
        new = people.create_user(email=invitation.email, password=password, name=name, actor=actor)
        return _take(invitation, new, actor)
    if not _is_unclaimed(known, invitation):
        raise Refused(_("The account was taken into use meanwhile. Try again."), code="claimed")
    owner = Actor(label=known.email, user_id=known.pk, address=actor.address)
    people.change_user(user=known, changes={"password": password, **({"name": name} if name else {})}, actor=owner)
    return _take(invitation, known, actor)


def _is_unclaimed(user: User, invitation: Invitation) -> bool:
    """Tell whether an account waits for its first password and opens nothing but what the inviting organization gives.

    Where it belongs elsewhere too, the link of one organization must not give the account to whoever holds it.
    """
    elsewhere = user.memberships.exclude(organization_id=invitation.organization_id)
    return user.is_active and not (user.has_usable_password() or user.is_superuser or elsewhere.exists())


def _take(invitation: Invitation, user: User, actor: Actor) -> User:
    owner = Actor(label=user.email, user_id=user.pk, address=actor.address)
    role = Role(invitation.role)
    there = user.memberships.filter(organization=invitation.organization, team=invitation.team, role=role)
    if not there.exists():
        people.add_membership(
            organization=invitation.organization, team=invitation.team, role=role, user=user, actor=owner
        )
    Invitation.objects.filter(pk=invitation.pk).update(accepted_at=Now())
    audit.record(actor=owner, action="invitation.accept", row=invitation, organization_id=invitation.organization_id)
    return user


def _locked(token: str) -> Invitation:
    found = Invitation.objects.open().filter(token_hash=invitations.digest_of(token))
    # The organization is not locked with it: a nullable join would not let itself be.
    invitation = found.select_for_update().first()
    if invitation is None:
        raise _void()
    return invitation


def _void() -> Refused:
    return Refused(_("This invitation is not good, or not any more."), code="invitation_void")
