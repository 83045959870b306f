"""What lets others in ends with the role of whoever made it."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import AuditEntry, Membership, User
from collectors.services import enrolments, invitations, people
from collectors.services.errors import EnrolmentRefused, Refused
from tests.cast import PASSWORD, SOMEBODY, Cast, person

pytestmark = pytest.mark.django_db


class Made(NamedTuple):
    """What somebody made that lets others in."""

    invitation: str
    enrolment: str

    def is_good(self) -> bool:
        """Tell whether both are good still; one alone never is."""
        found = invitations.find(self.invitation) is not None
        try:
            enrolments.enrol(token=self.enrolment, request_id="0" * 32, name="host", address="")
        except EnrolmentRefused:
            assert not found
            return False
        assert found
        return True


def made_by(user: User, cast: Cast) -> Made:
    actor = Actor(label=user.email, user_id=user.pk)
    invited = invitations.invite(
        organization=cast.example, team=cast.shop, role=Role.USER, email=f"by-{user.email}", actor=actor
    )
    token = enrolments.create_token(
        team=cast.shop, name="rack", engine=Engine.MYSQL, max_uses=9, lifetime=timedelta(hours=1), actor=actor
    )
    return Made(invited.token, token.token)


def role_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


LOSSES: dict[str, Callable[[User], object]] = {
    "removed": lambda user: people.remove_membership(membership=role_of(user), actor=SOMEBODY),
    "deactivated": lambda user: people.change_user(user=user, changes={"is_active": False}, actor=SOMEBODY),
    "signed out": lambda user: people.sign_out(user=user, actor=SOMEBODY),
    "password set": lambda user: people.change_user(
        user=user, changes={"password": "quite another phrase"}, actor=SOMEBODY
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_it_ends_when_its_maker_is_out_and_each_is_in_the_audit(loss: str, cast: Cast) -> None:
    person("second@example.org", Role.ORG_ADMIN, cast.example)
    others, made = made_by(cast.bob, cast), made_by(cast.alice, cast)
    assert made.is_good()
    LOSSES[loss](cast.alice)
    assert not made.is_good()
    with pytest.raises(Refused):
        invitations.accept(token=made.invitation, password=PASSWORD, actor=SOMEBODY)
    assert others.is_good()
    acts = AuditEntry.objects.filter(action__in=["invitation.revoke", "enrolment_token.revoke"])
    assert sorted(acts.values_list("action", "organization_id")) == [
        ("enrolment_token.revoke", cast.example.pk),
        ("invitation.revoke", cast.example.pk),
    ]


def test_it_ends_when_the_role_is_lowered_and_not_when_it_is_raised(cast: Cast) -> None:
    made = made_by(cast.carol, cast)
    people.change_membership(membership=role_of(cast.carol), role=Role.TEAM_LEAD, actor=SOMEBODY)
    assert made.is_good()
    people.change_membership(membership=role_of(cast.carol), role=Role.USER, actor=SOMEBODY)
    assert not made.is_good()


def test_what_was_made_in_another_organization_stays(cast: Cast) -> None:
    second = Membership.objects.create(user=cast.alice, organization=cast.sample, team=cast.foreign, role=Role.USER)
    made = made_by(cast.alice, cast)
    people.remove_membership(membership=second, actor=SOMEBODY)
    assert made.is_good()


def test_it_ends_with_the_role_of_super_admin(cast: Cast) -> None:
    User.objects.create_superuser("second@example.com", PASSWORD)
    made = made_by(cast.root, cast)
    people.change_user(user=cast.root, changes={"is_superuser": False}, actor=SOMEBODY)
    assert not made.is_good()


def test_a_new_password_of_ones_own_ends_nothing(cast: Cast) -> None:
    made = made_by(cast.bob, cast)
    own = Actor(label=cast.bob.email, user_id=cast.bob.pk)
    people.change_own_password(user=cast.bob, password="quite another phrase", actor=own)
    assert made.is_good()
