"""Organizations, teams, people, memberships."""

from functools import partial
from typing import Any

import pytest

from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import AuditEntry, LoginSession, Membership, Organization, Team, User
from collectors.services import people
from collectors.services.errors import Conflict, Refused
from collectors.services.invitations import invite
from tests.cast import PASSWORD, SOMEBODY, Cast, enrolment_token, person
from tests.services.test_logins import log_in
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def membership(user: User) -> Membership:
    return Membership.objects.get(user=user)


def test_a_second_team_of_the_same_name_is_a_conflict(cast: Cast) -> None:
    with pytest.raises(Conflict) as refusal:
        people.create_team(organization=cast.example, name="Shop", actor=SOMEBODY)
    assert refusal.value.code == "exists"
    with pytest.raises(Conflict):
        people.change_team(team=cast.warehouse, name="Shop", actor=SOMEBODY)
    assert Team.objects.filter(organization=cast.example).count() == 2
    people.create_team(organization=cast.sample, name="Warehouse", actor=SOMEBODY)


def test_every_change_is_in_the_audit_with_before_and_after(cast: Cast) -> None:
    people.change_team(team=cast.shop, name="Store", actor=SOMEBODY)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.before, entry.after) == ("team.change", {"name": "Shop"}, {"name": "Store"})


def test_a_team_or_organization_that_owns_something_stays(cast: Cast) -> None:
    with pytest.raises(Conflict):
        people.delete_team(team=cast.shop, actor=SOMEBODY)
    with pytest.raises(Conflict):
        people.delete_organization(organization=cast.example, actor=SOMEBODY)
    assert Organization.objects.filter(pk=cast.example.pk).exists()


def test_an_empty_one_goes_with_its_memberships(cast: Cast) -> None:
    organization = people.create_organization(name="Short-lived", actor=SOMEBODY)
    team = people.create_team(organization=organization, name="T", actor=SOMEBODY)
    person("x@example.org", Role.USER, organization, team)
    people.delete_team(team=team, actor=SOMEBODY)
    assert not Membership.objects.filter(organization=organization).exists()
    people.delete_organization(organization=organization, actor=SOMEBODY)
    assert AuditEntry.objects.latest("pk").object_label == "Short-lived"


@pytest.mark.parametrize("what", ["team", "organization"])
def test_with_a_team_or_an_organization_go_roles_logins_and_open_invitations_and_each_is_in_the_audit(
    what: str, cast: Cast
) -> None:
    organization = Organization.objects.create(name="Short-lived")
    team = Team.objects.create(organization=organization, name="T")
    lead = person("x@example.org", Role.TEAM_LEAD, organization, team)
    invite(organization=organization, team=team, role=Role.USER, email="y@example.org", actor=SOMEBODY)
    enrolment_token(team)
    log_in(lead)
    before = lead.get_session_auth_hash()
    if what == "team":
        people.delete_team(team=team, actor=SOMEBODY)
    else:
        people.delete_organization(organization=organization, actor=SOMEBODY)
    assert not lead.login_sessions.exists()
    assert User.objects.get(pk=lead.pk).get_session_auth_hash() != before
    acts = AuditEntry.objects.filter(action__regex="(revoke|delete)$").order_by("pk")
    assert list(acts.values_list("action", "object_label")) == [
        ("invitation.revoke", "y@example.org · USER"),
        ("enrolment_token.revoke", "hosts of T"),
        ("membership.delete", "x@example.org · TEAM_LEAD"),
        (f"{what}.delete", "T" if what == "team" else "Short-lived"),
    ]


def test_addresses_are_stored_in_lower_case_and_once(cast: Cast) -> None:
    user = people.create_user(email="New@Example.ORG", password=PASSWORD, actor=SOMEBODY)
    assert user.email == "new@example.org"
    with pytest.raises(Conflict):
        people.create_user(email="NEW@example.org", password=PASSWORD, actor=SOMEBODY)
    with pytest.raises(Conflict):
        people.change_user(user=user, changes={"email": "bob@example.org"}, actor=SOMEBODY)


@pytest.mark.parametrize("password", ["short", "password", "1234567890123", "new@example.org"])
def test_a_weak_password_is_refused(cast: Cast, password: str) -> None:
    with pytest.raises(Refused) as refusal:
        people.create_user(email="new@example.org", password=password, actor=SOMEBODY)
    assert list(refusal.value.errors) == ["password"]
    assert not User.objects.filter(email="new@example.org").exists()


@pytest.mark.parametrize("changes", [{"password": "another long phrase"}, {"is_active": False}])
def test_a_new_password_or_a_lost_account_ends_all_logins(cast: Cast, changes: dict[str, Any]) -> None:
    log_in(cast.bob)
    log_in(cast.carol)
    people.change_user(user=cast.bob, changes=changes, actor=SOMEBODY)
    assert list(LoginSession.objects.values_list("user_id", flat=True)) == [cast.carol.pk]
    assert "another" not in str(list(AuditEntry.objects.values()))


def test_another_name_ends_no_login_and_writes_no_password_that_changed_meanwhile(cast: Cast) -> None:
    log_in(cast.bob)
    stale = User.objects.get(pk=cast.bob.pk)
    fresh = User.objects.get(pk=cast.bob.pk)
    fresh.set_password("set by somebody else")
    fresh.save()
    people.change_user(user=stale, changes={"name": "Bob"}, actor=SOMEBODY)
    assert User.objects.get(pk=cast.bob.pk).check_password("set by somebody else")
    assert LoginSession.objects.count() == 1


def test_the_last_super_admin_cannot_be_switched_off(cast: Cast) -> None:
    with pytest.raises(Refused) as refusal:
        people.change_user(user=cast.root, changes={"is_active": False}, actor=SOMEBODY)
    assert refusal.value.code == "last_admin"
    User.objects.create_superuser("second@example.org", PASSWORD)
    people.change_user(user=cast.root, changes={"is_active": False}, actor=SOMEBODY)
    assert not User.objects.get(pk=cast.root.pk).is_active


def test_the_last_administrator_of_an_organization_stays(cast: Cast) -> None:
    for act in (
        lambda: people.remove_membership(membership=membership(cast.alice), actor=SOMEBODY),
        lambda: people.change_membership(membership=membership(cast.alice), role=Role.USER, actor=SOMEBODY),
    ):
        with pytest.raises(Refused):
            act()
    assert membership(cast.alice).role == Role.ORG_ADMIN
    second = person("second@example.org", Role.ORG_ADMIN, cast.example)
    people.remove_membership(membership=membership(cast.alice), actor=SOMEBODY)
    with pytest.raises(Refused):
        people.remove_membership(membership=membership(second), actor=SOMEBODY)


def test_an_administrator_who_cannot_sign_in_does_not_count(cast: Cast) -> None:
    second = person("second@example.org", Role.ORG_ADMIN, cast.example)
    User.objects.filter(pk=second.pk).update(is_active=False)
    with pytest.raises(Refused):
        people.remove_membership(membership=membership(cast.alice), actor=SOMEBODY)


def test_leaving_a_role_as_it_is_is_no_loss(cast: Cast) -> None:
    changed = people.change_membership(membership=membership(cast.alice), role=Role.ORG_ADMIN, actor=SOMEBODY)
    assert changed.role == Role.ORG_ADMIN


@pytest.mark.parametrize(
    ("role", "team"),
    [(Role.USER, None), (Role.TEAM_LEAD, None), (Role.ORG_ADMIN, "shop"), (Role.USER, "foreign")],
)
def test_a_role_and_its_team_must_fit(cast: Cast, role: Role, team: str | None) -> None:
    with pytest.raises(Refused) as refusal:
        people.add_membership(
            organization=cast.example,
            team=getattr(cast, team) if team else None,
            role=role,
            user=cast.mallory,
            actor=SOMEBODY,
        )
    assert list(refusal.value.errors) == ["team_id"]
    assert membership(cast.mallory).organization == cast.sample


def test_a_second_role_in_the_same_place_is_a_conflict(cast: Cast) -> None:
    with pytest.raises(Conflict):
        people.add_membership(
            organization=cast.example, team=cast.shop, role=Role.TEAM_LEAD, user=cast.carol, actor=SOMEBODY
        )
    people.add_membership(
        organization=cast.example, team=cast.warehouse, role=Role.USER, user=cast.carol, actor=SOMEBODY
    )


def test_the_last_super_admin_cannot_be_made_one_no_more(cast: Cast) -> None:
    with pytest.raises(Refused) as refusal:
        people.change_user(user=cast.root, changes={"is_superuser": False}, actor=SOMEBODY)
    assert refusal.value.code == "last_admin"
    assert User.objects.get(pk=cast.root.pk).is_superuser


def test_the_only_administrator_of_an_organization_cannot_be_switched_off(cast: Cast) -> None:
    with pytest.raises(Refused, match="without an administrator"):
        people.change_user(user=cast.alice, changes={"is_active": False}, actor=SOMEBODY)
    assert User.objects.get(pk=cast.alice.pk).is_active
    person("second@example.org", Role.ORG_ADMIN, cast.example)
    people.change_user(user=cast.alice, changes={"is_active": False}, actor=SOMEBODY)
    assert not User.objects.get(pk=cast.alice.pk).is_active


def test_ones_own_password_is_not_changed_like_somebody_elses(cast: Cast) -> None:
    own = Actor(label=cast.root.email, user_id=cast.root.pk)
    with pytest.raises(Refused) as refusal:
        people.change_user(user=cast.root, changes={"password": "quite another phrase"}, actor=own)
    assert refusal.value.code == "own_password"
    people.change_user(user=cast.root, changes={"name": "Root"}, actor=own)
    people.change_own_password(user=cast.root, password="quite another phrase", actor=own)
    assert User.objects.get(pk=cast.root.pk).check_password("quite another phrase")


@pytest.mark.django_db(transaction=True)
def test_two_super_admins_who_demote_each_other_at_once_do_not_both_succeed(cast: Cast) -> None:
    second = User.objects.create_superuser("second@example.com", PASSWORD)
    tries = [
        partial(people.change_user, user=user, changes={"is_superuser": False}, actor=SOMEBODY)
        for user in (cast.root, second)
    ]
    assert len([result for result in at_once(*tries) if isinstance(result, Refused)]) == 1
    assert User.objects.filter(is_superuser=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_remove_each_other_at_once_do_not_both_succeed(cast: Cast) -> None:
    second = person("second@example.org", Role.ORG_ADMIN, cast.example)
    rows = [membership(cast.alice), membership(second)]
    results = at_once(*[partial(people.remove_membership, membership=row, actor=SOMEBODY) for row in rows])
    assert [type(result) for result in results if result is not None] == [Refused]
    assert Membership.objects.filter(organization=cast.example, role=Role.ORG_ADMIN).count() == 1


def test_nobody_can_be_the_last_administrator_before_taking_the_account_into_use(cast: Cast) -> None:
    waiting = User.objects.create_user("w@example.org", None)
    Membership.objects.create(user=waiting, organization=cast.example, role=Role.ORG_ADMIN)
    User.objects.create_user("s@example.org", None, is_superuser=True)
    with pytest.raises(Refused, match="administrator"):
        people.remove_membership(membership=Membership.objects.get(user=cast.alice), actor=SOMEBODY)
    with pytest.raises(Refused, match="Nobody would be left"):
        people.change_user(user=cast.root, changes={"is_superuser": False}, actor=SOMEBODY)
    people.remove_membership(membership=Membership.objects.get(user=waiting), actor=SOMEBODY)
