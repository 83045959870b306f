"""Invitations: a role is offered by a link that is good once, and taken by whoever proves the account of its address.

Who invites learns nothing of the address: whether somebody has an account shows only to whoever accepts. And an account that
somebody made with an invitation to one organization opens no other: each has its own link, whoever names the address.
"""

from datetime import timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import invitations, limits
from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import Invitation, Membership, Organization, Team, User
from collectors.services import audit, logins, offers, people
from collectors.services.errors import Refused

# The code of the refusal of a link that is not good, or not any more.
VOID: Final = "invitation_void"


class Invited(NamedTuple):
    """A new invitation, and the token of its link, which nothing else holds."""

    row: Invitation
    token: str

    def link(self, page: str) -> str:
        """Return the address that whoever is invited opens. What is behind the `#` is not sent with it, so no log holds it."""
        return f"{page}#{self.token}"

    def __repr__(self) -> str:
        """Leave the token out: what is shown of an object may end in a log."""
        return f"{type(self).__name__}({self[0]!r})"


def give(
    *,
    organization: Organization,
    team: Team | None,
    role: Role,
    actor: Actor,
    user: User | None = None,
    email: str = "",
    unasked: bool = False,
) -> Membership | Invited:
    """Give a role to somebody who belongs to the organization already; invite anybody else, by address or as the known `user`.

    `unasked` gives it to `user` at once: for SUPER_ADMIN, who vouches for whose account it is. Raises as `add_membership` and
    `invite` do.
    """
    email = user.email if user is not None else User.objects.normalize_email(email)
    if user is None or not unasked:
        there = Membership.objects.filter(organization=organization, user__email=email).select_related("user").first()
        user = there.user if there is not None else None
    if user is None:
        return invite(organization=organization, team=team, role=role, email=email, actor=actor)
    return people.add_membership(organization=organization, team=team, role=role, user=user, actor=actor)


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
    offers.revoke_invitations(waiting.filter(team=team, email=email), actor)
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
    people.change_own_password(user=known, password=password, name=name, actor=owner)
    return _take(invitation, known, actor)


def _is_unclaimed(user: User, invitation: Invitation) -> bool:
    """Tell whether an account waits for its first password, and is the inviting organization's to give away.

    It is when it belongs there and nowhere else, or when SUPER_ADMIN made the link, who makes such accounts. No other
    organization's link gives it to whoever holds it, be it the first that invites the address.
    """
    if user.has_usable_password() or user.is_superuser or not user.is_active:
        return False
    inviter = invitation.invited_by
    if inviter is not None and inviter.is_superuser and inviter.is_active:
        return True
    return set(user.memberships.values_list("organization_id", flat=True)) == {invitation.organization_id}


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
    return Refused(_("This invitation is not good, or not any more."), code=VOID)
