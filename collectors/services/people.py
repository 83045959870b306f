"""Organizations, teams, people and their memberships."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from collectors.domain import time_zones
from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import Membership, Organization, Plan, Team, User
from collectors.services import audit, logins, offers, personal_tokens, second_factors
from collectors.services.errors import Conflict, Refused


@transaction.atomic
def create_organization(*, name: str, actor: Actor, **settings: Any) -> Organization:
    """Create a tenant. `settings` are those of `change_organization`."""
    organization = Organization.objects.create(name=name, **settings)
    if organization.second_factor_required:
        second_factors.end_logins_without(organization=organization)
    audit.record(
        actor=actor,
        action="organization.create",
        row=organization,
        organization_id=organization.pk,
        after={"name": name, **settings},
    )
    return organization


@transaction.atomic
def change_organization(*, organization: Organization, actor: Actor, **changes: Any) -> Organization:
    """Change a tenant's `name`, `second_factor_required`, `history_retention_days` or `slow_query_retention_days`.

    A retention of None is what this installation keeps.
    A shorter retention hides what is older at once; it is removed with the next upkeep of storage, and does not come back.
    Where a second factor is asked for from now on, members who have none sign in anew, and set one up.
    """
    before = {name: getattr(organization, name) for name in changes}
    for name, value in changes.items():
        setattr(organization, name, value)
    organization.save(update_fields=list(changes))
    if changes.get("second_factor_required") and not before["second_factor_required"]:
        second_factors.end_logins_without(organization=organization)
    audit.record(
        actor=actor,
        action="organization.change",
        row=organization,
        organization_id=organization.pk,
        before=before,
        after=changes,
    )
    return organization


@transaction.atomic
def delete_organization(*, organization: Organization, actor: Actor) -> None:
    """Remove a tenant that no longer watches anything, with the roles in it. Raises `Conflict` while it has databases or collectors."""
    if organization.collectors.exists() or organization.databases.exists():
        raise Conflict(_("The organization still has databases or collectors."), code="not_empty")
    _empty(organization, actor)
    audit.record(
        actor=actor,
        action="organization.delete",
        row=organization,
        organization_id=organization.pk,
        before={"name": organization.name},
    )
    organization.delete()


@transaction.atomic
def create_team(*, organization: Organization, name: str, actor: Actor, **settings: Any) -> Team:
    """Create a team in an organization. Raises `Conflict` when it has one of that name. `settings` are those of `change_team`."""
    with _unique(_("The organization has a team of this name.")):
        team = Team.objects.create(organization=organization, name=name, **settings)
    after = {"name": name, **settings}
    audit.record(actor=actor, action="team.create", row=team, organization_id=organization.pk, after=after)
    return team


@transaction.atomic
def change_team(*, team: Team, actor: Actor, **changes: Any) -> Team:
    """Change a team's `name`, or whether its databases tell `plans`. Raises `Conflict` when a team of that name is there.

    Plans that are switched off are removed.
    """
    before = {name: getattr(team, name) for name in changes}
    for name, value in changes.items():
        setattr(team, name, value)
    with _unique(_("The organization has a team of this name.")):
        team.save(update_fields=list(changes))
    if changes.get("plans") is False:
        Plan.objects.filter(database__team=team).delete()
    audit.record(
        actor=actor,
        action="team.change",
        row=team,
        organization_id=team.organization_id,
        before=before,
        after=changes,
    )
    return team


@transaction.atomic
def delete_team(*, team: Team, actor: Actor) -> None:
    """Remove a team that owns nothing, with the roles in it. Raises `Conflict` while it has databases or collectors."""
    if team.collectors.exists() or team.databases.exists():
        raise Conflict(_("The team still has databases or collectors."), code="not_empty")
    _empty(team, actor)
    audit.record(
        actor=actor, action="team.delete", row=team, organization_id=team.organization_id, before={"name": team.name}
    )
    team.delete()


@transaction.atomic
def create_user(*, email: str, password: str | None, name: str = "", is_superuser: bool = False, actor: Actor) -> User:
    """Create a person who can sign in; without a password only once one is set. Raises `Refused` for a bad password."""
    if password is not None:
        check_password(password, User(email=email, name=name))
    with _unique(_("There is an account with this e-mail address.")):
        user = User.objects.create_user(email, password, name=name, is_superuser=is_superuser)
    after = {"email": user.email, "name": name, "is_superuser": is_superuser}
    audit.record(actor=actor, action="user.create", row=user, organization_id=None, after=after)
    return user


@transaction.atomic
def change_user(*, user: User, changes: dict[str, Any], actor: Actor) -> User:
    """Change a person's name, address, password or state. A new password or role, or losing the account, ends all logins.

    Personal tokens end with the account and with a password. Open invitations and enrolment tokens that the person made end
    with the account, when somebody else sets the password, since then it had been lost, and with the role of SUPER_ADMIN.

    Raises `Refused` for a bad password, for one's own, or when nobody would be left to administer the installation or an
    organization.
    """
    if "password" in changes and actor.user_id == user.pk:
        message = _(
            "Your own password takes the present one: change it under “Change password”, or by users/me/password."
        )
        raise Refused(message, code="own_password", errors={"password": [message]})
    return _change(user, changes, actor)


@transaction.atomic
def change_own_password(*, user: User, password: str, actor: Actor, name: str = "") -> User:
    """Set the password of whoever proved the present one, or has none yet; every login and every personal token ends."""
    return _change(user, {"password": password, **({"name": name} if name else {})}, actor)


def _change(user: User, changes: dict[str, Any], actor: Actor) -> User:
    password = changes.pop("password", None)
    if changes.get("is_active") is False or changes.get("is_superuser") is False:
        _keep_a_super_admin(user)
    if changes.get("is_active") is False and user.is_active:
        for membership in user.memberships.filter(role=Role.ORG_ADMIN).order_by("organization"):
            _keep_an_admin(membership)
    before = {field: getattr(user, field) for field in changes}
    for field, value in changes.items():
        setattr(user, field, value)
    if password is not None:
        check_password(password, user)
        user.set_password(password)
    with _unique(_("There is an account with this e-mail address.")):
        user.save(update_fields=[*changes, *(["password"] if password is not None else [])])
    if password is not None or changes.get("is_active") is False or "is_superuser" in changes:
        logins.end_logins(user=user)
    if password is not None or changes.get("is_active") is False:
        personal_tokens.revoke_all(user=user)
    is_lost = changes.get("is_active") is False or (password is not None and actor.user_id != user.pk)
    if is_lost or changes.get("is_superuser") is False:
        offers.withdraw_of(user=user, actor=actor)
    after = {**changes, **({"password": "changed"} if password is not None else {})}
    audit.record(actor=actor, action="user.change", row=user, organization_id=None, before=before, after=after)
    return user


@transaction.atomic
def change_preferences(*, user: User, name: str, language: str, time_zone: str, actor: Actor) -> User:
    """Change how somebody is called, what the console speaks to them and in which zone it tells times; empty: as the browser says.

    Raises `Refused` for a language or a zone that there is not.
    """
    errors = {}
    if language and language not in dict(settings.LANGUAGES):
        errors["language"] = [_("There is no such language.")]
    if time_zone and time_zones.zone_of(time_zone) is None:
        errors["time_zone"] = [_("There is no such time zone.")]
    if errors:
        raise Refused(_("These preferences do not fit."), code="invalid", errors=errors)
    wanted = {"name": name, "language": language, "time_zone": time_zone}
    changes = {field: value for field, value in wanted.items() if getattr(user, field) != value}
    if not changes:
        return user
    before = {field: getattr(user, field) for field in changes}
    for field, value in changes.items():
        setattr(user, field, value)
    user.save(update_fields=list(changes))
    audit.record(actor=actor, action="user.preferences", row=user, organization_id=None, before=before, after=changes)
    return user


@transaction.atomic
def sign_out(*, user: User, actor: Actor) -> None:
    """End every login and every personal token of somebody, for example when a device was stolen, and what they made with them."""
    logins.end_logins(user=user)
    personal_tokens.revoke_all(user=user)
    offers.withdraw_of(user=user, actor=actor)
    audit.record(actor=actor, action="user.sign_out", row=user, organization_id=None)


def check_password(password: str, user: User) -> None:
    """Raise `Refused` with the reasons when the password is too weak."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise Refused(_("The password is too weak."), code="invalid", errors={"password": error.messages}) from error


@transaction.atomic
def add_membership(
    *,
    organization: Organization,
    team: Team | None,
    role: Role,
    actor: Actor,
    user: User,
) -> Membership:
    """Give somebody a role whom nobody needs to ask: `invitations.give` tells who that is.

    Raises `Refused` when role and team do not fit, `Conflict` when the person has a role there already.
    """
    check_fit(organization, team, role)
    with _unique(_("This person has a role there already.")):
        membership = Membership.objects.create(user=user, organization=organization, team=team, role=role)
    if organization.second_factor_required and not second_factors.is_on(user):
        logins.end_logins(user=user)
    audit.record(
        actor=actor,
        action="membership.create",
        row=membership,
        organization_id=organization.pk,
        after={"user": user.email, "team_id": team.pk if team else None, "role": role},
    )
    return membership


@transaction.atomic
def change_membership(*, membership: Membership, role: Role, actor: Actor) -> Membership:
    """Give a membership another role; the person signs in anew. With a lower one goes what they made that lets others in.

    Raises `Refused` when the role does not fit, or when nobody would administer the organization.
    """
    check_fit(membership.organization, membership.team, role)
    if role != Role.ORG_ADMIN:
        _keep_an_admin(membership)
    if role == membership.role:
        return membership
    before = {"role": membership.role}
    membership.role = role
    membership.save(update_fields=["role"])
    logins.end_logins(user=membership.user)
    if role.rank < Role(before["role"]).rank:
        offers.withdraw_of(user=membership.user, organization=membership.organization, actor=actor)
    audit.record(
        actor=actor,
        action="membership.change",
        row=membership,
        organization_id=membership.organization_id,
        before=before,
        after={"role": role},
    )
    return membership


@transaction.atomic
def remove_membership(*, membership: Membership, actor: Actor) -> None:
    """Take a role away; the person signs in anew. Raises `Refused` when nobody would administer the organization."""
    _keep_an_admin(membership)
    _end_membership(membership, actor)


def check_fit(organization: Organization, team: Team | None, role: Role) -> None:
    """Raise `Refused` when the role cannot be held there, or the team is of another organization."""
    if role.needs_team and team is None:
        raise Refused(
            _("%(role)s is a role in a team.") % {"role": role},
            code="invalid",
            errors={"team_id": [_("This role needs a team.")]},
        )
    if not role.needs_team and team is not None:
        raise Refused(
            _("%(role)s is a role in the organization.") % {"role": role},
            code="invalid",
            errors={"team_id": [_("No team here.")]},
        )
    if team is not None and team.organization_id != organization.pk:
        message = _("The team is of another organization.")
        raise Refused(message, code="invalid", errors={"team_id": [message]})


def _empty(place: Organization | Team, actor: Actor) -> None:
    """Take away every role in what is about to be removed, and whatever leads into it."""
    offers.withdraw_in(place, actor=actor)
    for membership in place.memberships.select_related("user", "organization"):
        _end_membership(membership, actor)


def _end_membership(membership: Membership, actor: Actor) -> None:
    audit.record(
        actor=actor,
        action="membership.delete",
        row=membership,
        organization_id=membership.organization_id,
        before={"user": membership.user.email, "team_id": membership.team_id, "role": membership.role},
    )
    logins.end_logins(user=membership.user)
    offers.withdraw_of(user=membership.user, organization=membership.organization, actor=actor)
    membership.delete()


def _keep_an_admin(membership: Membership) -> None:
    if membership.role != Role.ORG_ADMIN:
        return
    # The organization's row is the lock: two admins who remove each other at once must not both succeed.
    organization = Organization.objects.select_for_update().get(pk=membership.organization_id)
    others = organization.memberships.filter(role=Role.ORG_ADMIN, user__is_active=True).exclude(pk=membership.pk)
    if membership.user.has_usable_password():
        # Nobody may ever claim an account that waits for its first password: it does not take this one's place.
        others = others.exclude(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
    if not others.exists():
        raise Refused(_("The organization would be left without an administrator."), code="last_admin")


def _keep_a_super_admin(user: User) -> None:
    if not user.is_superuser:
        return
    admins = User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
    if not [admin for admin in admins if admin.pk != user.pk and admin.has_usable_password()]:
        raise Refused(_("Nobody would be left to administer the installation."), code="last_admin")


@contextmanager
def _unique(message: str) -> Iterator[None]:
    """Turn the database's refusal of a second one into a conflict: it alone can tell when two are made at once."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise Conflict(message, code="exists") from error
