"""Invitations: one link, one use, and no way into somebody else's account."""

from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.invitations import digest_of
from collectors.domain.roles import Role
from collectors.models import AuditEntry, Invitation, Membership, Organization, Team, User
from collectors.services import people
from collectors.services.errors import Conflict, Refused, TooManyAttempts
from collectors.services.invitations import Invited, accept, accept_as, find, give, invite, revoke
from tests.cast import PASSWORD, SOMEBODY, Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db
NEW = "new@example.org"
HERE = Actor(label="anonymous", address="192.0.2.1")


def invited(organization: Organization, team: Team | None, email: str = NEW, role: Role = Role.USER) -> Invited:
    return invite(organization=organization, team=team, role=role, email=email, actor=SOMEBODY)


def take(made: Invited, password: str = PASSWORD) -> User:
    return accept(token=made.token, password=password, actor=HERE)


def roles(email: str) -> list[tuple[str, str]]:
    rows = Membership.objects.filter(user__email=email).order_by("pk")
    return [(row.organization.name, row.role) for row in rows]


def test_somebody_without_an_account_gets_one_with_the_password_they_choose(cast: Cast) -> None:
    made = invited(cast.example, cast.shop, " NEW@example.org ")
    assert not User.objects.filter(email=NEW).exists()
    user = take(made)
    assert user.check_password(PASSWORD)
    assert roles(NEW) == [("Example GmbH", "USER")]
    acts = AuditEntry.objects.filter(object_type="invitation").order_by("pk")
    assert [(entry.action, entry.organization_id) for entry in acts] == [
        ("invitation.create", cast.example.pk),
        ("invitation.accept", cast.example.pk),
    ]


def test_somebody_with_an_account_takes_it_with_their_own_password_alone(cast: Cast) -> None:
    made = invited(cast.example, cast.shop, "mallory@example.net")
    with pytest.raises(Refused, match="not the password"):
        take(made, "quite another phrase")
    assert find(made.token)
    take(made)
    assert User.objects.get(pk=cast.mallory.pk).check_password(PASSWORD)
    assert roles("mallory@example.net") == [("Sample Srl", "ORG_ADMIN"), ("Example GmbH", "USER")]


def test_the_token_is_stored_as_a_hash_alone(cast: Cast) -> None:
    made = invited(cast.example, None, role=Role.ORG_ADMIN)
    assert made.row.token_hash == digest_of(made.token)
    assert made.token not in str([list(model.objects.values()) for model in (Invitation, AuditEntry)])


def test_a_link_is_good_once_and_until_it_expires_or_is_revoked(cast: Cast) -> None:
    first = invited(cast.example, cast.shop)
    take(first)
    second, third = invited(cast.example, cast.warehouse, "b@example.org"), invited(cast.example, cast.shop, "c@x.org")
    revoke(invitation=second.row, actor=SOMEBODY)
    Invitation.objects.filter(pk=third.row.pk).update(expires_at=Now())
    for made in (first, second, third):
        with pytest.raises(Refused) as refusal:
            take(made)
        assert refusal.value.code == "invitation_void"
    with pytest.raises(Refused):
        accept(token="x", password=PASSWORD, actor=HERE)


def test_a_newer_invitation_of_the_same_person_to_the_same_place_replaces_the_older(cast: Cast) -> None:
    first, elsewhere = invited(cast.example, cast.shop), invited(cast.example, cast.warehouse)
    second = invited(cast.example, cast.shop)
    assert (find(first.token), find(second.token), find(elsewhere.token)) == (None, second.row, elsewhere.row)


def test_a_weak_password_makes_no_account_and_leaves_the_link(cast: Cast) -> None:
    made = invited(cast.example, cast.shop)
    with pytest.raises(Refused, match="weak"):
        take(made, "short")
    assert find(made.token)
    assert not User.objects.filter(email=NEW).exists()


def test_an_account_made_by_one_organizations_link_opens_no_other_organization(cast: Cast) -> None:
    # Mallory administers Sample Srl, invites an address that is not hers, and takes the link herself.
    stolen = take(invited(cast.sample, None, NEW, Role.ORG_ADMIN), "the phrase of mallory")
    made = invited(cast.example, cast.shop)
    assert roles(NEW) == [("Sample Srl", "ORG_ADMIN")]
    with pytest.raises(Refused, match="not the password"):
        take(made)
    assert User.objects.get(pk=stolen.pk).check_password("the phrase of mallory")


def test_a_link_gives_nobody_an_account_that_belongs_elsewhere_too(cast: Cast) -> None:
    # Somebody without a password yet, whom a SUPER_ADMIN added to Example GmbH.
    user = people.create_user(email=NEW, password=None, actor=SOMEBODY)
    people.add_membership(organization=cast.example, team=cast.shop, role=Role.USER, user=user, actor=SOMEBODY)
    made = invited(cast.sample, None, NEW, Role.ORG_ADMIN)
    with pytest.raises(Refused):
        take(made)
    assert not User.objects.get(email=NEW).has_usable_password()
    own = invited(cast.example, cast.shop)
    take(own)
    assert User.objects.get(email=NEW).check_password(PASSWORD)
    assert roles(NEW) == [("Example GmbH", "USER")]


def test_a_link_gives_an_account_that_belongs_nowhere_to_nobody_but_whom_super_admin_invites(cast: Cast) -> None:
    people.create_user(email=NEW, password=None, actor=SOMEBODY)
    with pytest.raises(Refused, match="not the password"):
        take(invited(cast.sample, None, NEW, Role.ORG_ADMIN), "the phrase of mallory")
    assert not User.objects.get(email=NEW).has_usable_password()
    root = Actor(label=cast.root.email, user_id=cast.root.pk)
    take(invite(organization=cast.example, team=cast.shop, role=Role.USER, email=NEW, actor=root))
    assert roles(NEW) == [("Example GmbH", "USER")]


def test_a_role_is_given_at_once_to_those_who_belong_there_and_to_whom_super_admin_chooses(cast: Cast) -> None:
    place: dict[str, Any] = {"organization": cast.example, "team": cast.warehouse, "role": Role.USER, "actor": SOMEBODY}
    assert isinstance(give(**place, email="BOB@example.org"), Membership)
    assert isinstance(give(**place, user=cast.carol), Membership)
    strangers: list[dict[str, Any]] = [
        {"user": cast.mallory},
        {"email": "Mallory@example.net"},
        {"email": NEW},
        {"email": NEW, "unasked": True},
    ]
    for named in strangers:
        assert isinstance(give(**place, **named), Invited), named
    assert isinstance(give(**place, user=cast.mallory, unasked=True), Membership)
    assert not User.objects.filter(email=NEW).exists()


def test_passwords_are_not_guessed_by_a_link(cast: Cast) -> None:
    made = invited(cast.example, cast.shop, "mallory@example.net")
    for number in range(limits.LOGIN_ATTEMPTS_PER_PAIR):
        with pytest.raises(Refused):
            take(made, f"quite another phrase {number}")
    with pytest.raises(TooManyAttempts):
        take(made)


def test_whoever_is_signed_in_takes_only_what_is_for_them(cast: Cast) -> None:
    made = invited(cast.example, cast.shop, "mallory@example.net")
    with pytest.raises(Refused, match="is for mallory"):
        accept_as(token=made.token, user=cast.bob, actor=HERE)
    accept_as(token=made.token, user=cast.mallory, actor=HERE)
    assert ("Example GmbH", "USER") in roles("mallory@example.net")


def test_a_role_that_is_there_already_in_another_form_is_a_conflict_and_leaves_the_link(cast: Cast) -> None:
    made = invited(cast.example, cast.shop, "bob@example.org")
    with pytest.raises(Conflict):
        take(made)
    assert find(made.token)


def test_what_cannot_be_held_there_is_not_offered(cast: Cast) -> None:
    for team, role in ((None, Role.USER), (cast.shop, Role.ORG_ADMIN), (cast.foreign, Role.USER)):
        with pytest.raises(Refused):
            invited(cast.example, team, role=role)


def test_an_organization_has_so_many_open_invitations(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_OPEN_INVITATIONS", 2)
    first = invited(cast.example, cast.shop, "a@example.org")
    invited(cast.example, cast.shop, "b@example.org")
    with pytest.raises(Refused):
        invited(cast.example, cast.shop, "c@example.org")
    invited(cast.sample, cast.foreign, "c@example.org")
    revoke(invitation=first.row, actor=SOMEBODY)
    invited(cast.example, cast.shop, "c@example.org")


@pytest.mark.django_db(transaction=True)
def test_a_link_used_twice_at_once_is_good_once(cast: Cast) -> None:
    made = invited(cast.example, cast.shop)
    results = at_once(*[partial(take, made)] * 4)
    assert len([result for result in results if isinstance(result, User)]) == 1, results
    assert roles(NEW) == [("Example GmbH", "USER")]
