"""What is dangerous asks, says what will happen, and is taken back where that is possible."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import (
    AuditEntry,
    EnrolmentToken,
    Invitation,
    Membership,
    MonitoredDatabase,
    Organization,
    PersonalToken,
    Team,
    User,
)
from collectors.services import collectors, people
from collectors.services.invitations import invite
from tests.admin.conftest import Rows, Visit
from tests.cast import SOMEBODY, Cast, enrolment_token, person


def offer_in(answer: Any) -> str:
    """Return the offer of the button in the message."""
    found = re.search(r'name="offer" value="([\w-]+)"', answer.content.decode())
    assert found
    return found[1]


def undo(client: Client, offer: str) -> str:
    answer = client.post(reverse("admin:undo"), {"offer": offer}, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def removed(client: Client, membership: Membership) -> Any:
    path = reverse("admin:collectors_membership_delete", args=[membership.pk])
    return client.post(path, {"post": "yes"}, follow=True)


def test_a_role_that_was_taken_away_is_given_again(cast: Cast, visit: Visit) -> None:
    client, membership = visit(cast.alice), cast.bob.memberships.get()
    asked = client.get(reverse("admin:collectors_membership_delete", args=[membership.pk])).content.decode()
    assert "bob@example.org is not TEAM_LEAD in Shop any more" in asked
    assert "then belongs to Example GmbH no more" in asked
    offer = offer_in(removed(client, membership))
    assert not cast.bob.memberships.exists()
    assert undo(client, offer) == "bob@example.org is TEAM_LEAD in Shop again."
    again = cast.bob.memberships.get()
    assert (again.team_id, again.role) == (cast.shop.pk, Role.TEAM_LEAD)
    assert AuditEntry.objects.filter(action="membership.create", object_id=again.pk, user_id=cast.alice.pk).exists()
    assert "cannot be undone any more" in undo(client, offer), "once"


def test_an_offer_is_good_in_its_own_session_alone_and_only_for_a_while(
    cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = visit(cast.alice)
    offer = offer_in(removed(client, cast.bob.memberships.get()))
    assert "cannot be undone any more" in undo(visit(cast.root), offer)
    assert "cannot be undone any more" in undo(visit(cast.alice), offer)
    monkeypatch.setattr("collectors.admin.undo.LASTS_SECONDS", -1)
    assert "cannot be undone any more" in undo(client, offer_in(removed(client, cast.carol.memberships.get())))
    assert not Membership.objects.filter(user__in=(cast.bob, cast.carol)).exists()


def test_what_is_taken_back_takes_the_permission_that_it_takes_then(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    Membership.objects.create(user=cast.dave, organization=cast.example, role=Role.ORG_ADMIN)
    offer = offer_in(removed(client, cast.bob.memberships.get()))
    Membership.objects.filter(user=cast.alice).update(role=Role.TEAM_LEAD, team=cast.warehouse)
    assert "your role does not permit it any more" in undo(client, offer)
    assert not cast.bob.memberships.exists()


def test_names_and_policies_and_roles_go_back_unless_somebody_changed_them_again(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    path = reverse("admin:collectors_team_change", args=[cast.shop.pk])
    offer = offer_in(client.post(path, {"name": "Shopping"}, follow=True))
    assert undo(client, offer) == "The team is called Shop again."
    assert Team.objects.get(pk=cast.shop.pk).name == "Shop"
    offer = offer_in(client.post(path, {"name": "Shopping"}, follow=True))
    people.change_team(team=Team.objects.get(pk=cast.shop.pk), name="Third", actor=SOMEBODY)
    assert "changed it again" in undo(client, offer)
    path = reverse("admin:collectors_organization_change", args=[cast.example.pk])
    form = {"name": "Example GmbH", "history_retention_days": "9", "second_factor_required": ""}
    assert "older than 9 days are hidden at once" in client.post(path, form).content.decode()
    assert Organization.objects.get(pk=cast.example.pk).history_retention_days is None
    offer = offer_in(client.post(path, {**form, "confirmed": "1"}, follow=True))
    undo(client, offer)
    assert Organization.objects.get(pk=cast.example.pk).history_retention_days is None
    membership = cast.carol.memberships.get()
    path = reverse("admin:collectors_membership_change", args=[membership.pk])
    offer = offer_in(client.post(path, {"role": "TEAM_LEAD"}, follow=True))
    assert undo(client, offer) == "carol@example.org is USER again."


@pytest.mark.parametrize("noun", ["organization", "team", "monitoreddatabase", "membership"])
def test_saving_what_is_there_already_is_no_act(noun: str, cast: Cast, visit: Visit) -> None:
    row: Any = {
        "organization": cast.example,
        "team": cast.shop,
        "monitoreddatabase": cast.collector.database,
        "membership": cast.bob.memberships.get(),
    }[noun]
    same = {"role": row.role} if noun == "membership" else {"name": row.name}
    before = AuditEntry.objects.count()
    answer = visit(cast.alice).post(reverse(f"admin:collectors_{noun}_change", args=[row.pk]), same, follow=True)
    assert "successfully" in answer.content.decode()
    assert AuditEntry.objects.count() == before
    assert 'name="offer"' not in answer.content.decode()


def test_asking_for_a_second_factor_says_whom_it_signs_out(cast: Cast, own: Rows, visit: Visit) -> None:
    path = reverse("admin:collectors_organization_change", args=[cast.example.pk])
    form = {"name": "Example GmbH", "second_factor_required": "on", "slow_query_retention_days": "14"}
    page = visit(cast.alice).post(path, form).content.decode()
    assert "4 people without a second factor are signed out" in page
    assert "You have none either" in page
    assert "undo it right afterwards" not in page
    assert "older than" not in page
    assert not Organization.objects.get(pk=cast.example.pk).second_factor_required


def test_whoever_is_signed_out_by_the_own_act_is_offered_no_undo(cast: Cast, visit: Visit) -> None:
    person("eve@example.org", Role.ORG_ADMIN, cast.example)
    client, own = visit(cast.alice), cast.alice.memberships.get()
    asked = client.get(reverse("admin:collectors_membership_delete", args=[own.pk])).content.decode()
    assert "It is your own role" in asked
    left = removed(client, own)
    assert left.redirect_chain[-1][0].startswith("/admin/login/")
    assert "Undo" not in left.content.decode()


def test_deactivating_says_what_ends_and_is_taken_back(cast: Cast, visit: Visit) -> None:
    client = visit(cast.root)
    path = reverse("admin:collectors_user_do", args=[cast.bob.pk, "deactivate"])
    asked = client.post(path)
    assert "They are signed out at once" in asked.content.decode()
    assert User.objects.get(pk=cast.bob.pk).is_active
    offer = offer_in(client.post(path, {"confirmed": "1"}, follow=True))
    assert not User.objects.get(pk=cast.bob.pk).is_active
    assert "bob@example.org is active again. Logins" in undo(client, offer)
    assert User.objects.get(pk=cast.bob.pk).is_active
    own = reverse("admin:collectors_user_do", args=[cast.root.pk, "deactivate"])
    assert "You cannot deactivate yourself" in client.post(own, {"confirmed": "1"}, follow=True).content.decode()


def test_a_team_that_still_watches_says_what_has_to_go_first(cast: Cast, visit: Visit) -> None:
    page = visit(cast.alice).get(reverse("admin:collectors_team_delete", args=[cast.shop.pk])).content.decode()
    assert "1 collector is still in it." in page
    assert "1 database is still in it." in page
    assert "2 people lose their roles in it" in page
    assert 'name="post"' not in page


def test_removing_a_team_counts_all_that_ends_with_it(cast: Cast, visit: Visit) -> None:
    team = people.create_team(organization=cast.example, name="Empty", actor=SOMEBODY)
    eve = person("eve@example.org", Role.ORG_ADMIN, cast.example)
    Membership.objects.create(user=eve, organization=cast.example, team=team, role=Role.USER)
    made_by = Actor(label=eve.email, user_id=eve.pk, address="")
    for email, place in (("m@example.org", cast.shop), ("n@example.org", team)):
        invite(organization=cast.example, team=place, role=Role.USER, email=email, actor=made_by)
    invite(organization=cast.example, team=cast.shop, role=Role.USER, email="o@example.org", actor=SOMEBODY)
    client, path = visit(cast.alice), reverse("admin:collectors_team_delete", args=[team.pk])
    assert "2 open invitations end." in client.get(path).content.decode()
    client.post(path, {"post": "yes"})
    assert [row.email for row in Invitation.objects.open()] == ["o@example.org"]


def test_deactivating_counts_what_still_lets_somebody_in(cast: Cast, visit: Visit) -> None:
    token = enrolment_token(cast.shop).row
    EnrolmentToken.objects.filter(pk=token.pk).update(created_by=cast.bob)
    for name, expires_at in (("good", "2999-01-01T00:00Z"), ("expired", "2020-01-01T00:00Z")):
        PersonalToken.objects.create(user=cast.bob, name=name, token_hash=name, expires_at=expires_at)
    path = reverse("admin:collectors_user_do", args=[cast.bob.pk, "deactivate"])
    asked = visit(cast.root).post(path).content.decode()
    assert "1 API token of theirs is revoked for good." in asked
    assert "1 enrolment token that they made ends." in asked


def test_history_is_lost_only_to_whoever_types_the_name(cast: Cast, own: Rows, visit: Visit) -> None:
    client, database = visit(cast.bob), own.database
    path = reverse("admin:collectors_monitoreddatabase_delete", args=[database.pk])
    page = client.get(path).content.decode()
    assert "The collector shop-mysql still watches it." in page
    assert f'href="{reverse("admin:collectors_collector_change", args=[cast.collector.pk])}"' in page
    collectors.delete_collector(collector=cast.collector, actor=SOMEBODY)
    MonitoredDatabase.objects.filter(pk=database.pk).update(created_at="2026-01-01T20:00Z")
    User.objects.filter(pk=cast.bob.pk).update(time_zone="Pacific/Kiritimati")
    page = client.get(path).content.decode()
    assert "The numbers of 1 statement go, all that was collected since 2026-01-02." in page
    assert "Its slow queries go." in page
    for typed in ({}, {"typed": database.name.upper()}):
        assert "not the name" in client.post(path, {"post": "yes", **typed}, follow=True).content.decode()
    assert MonitoredDatabase.objects.filter(pk=database.pk).exists()
    client.post(path, {"post": "yes", "typed": database.name})
    assert not MonitoredDatabase.objects.filter(pk=database.pk).exists()


@pytest.mark.parametrize("way", ["list", "page"])
def test_revoking_an_invitation_asks_first(way: str, cast: Cast, visit: Visit) -> None:
    row = invite(organization=cast.example, team=None, role=Role.ORG_ADMIN, email="n@example.org", actor=SOMEBODY).row
    path = reverse("admin:collectors_invitation_changelist")
    form: dict[str, Any] = {"action": "revoke", "index": "0", "_selected_action": [str(row.pk)]}
    if way == "page":
        path, form = reverse("admin:collectors_invitation_do", args=[row.pk, "revoke"]), {}
    client = visit(cast.alice)
    assert "Nobody becomes ORG_ADMIN by it." in client.post(path, form).content.decode()
    assert Invitation.objects.open().filter(pk=row.pk).exists()
    client.post(path, {**form, "confirmed": "1"})
    assert not Invitation.objects.open().filter(pk=row.pk).exists()


def test_inviting_again_makes_a_new_link_and_ends_the_old_one(cast: Cast, visit: Visit) -> None:
    old = invite(organization=cast.example, team=cast.shop, role=Role.USER, email="n@example.org", actor=SOMEBODY)
    path = reverse("admin:collectors_invitation_do", args=[old.row.pk, "invite_again"])
    answer = visit(cast.alice).post(path)
    (token,) = set(re.findall(r"/admin/invitation/#([\w-]{43})", answer.content.decode()))
    assert token != old.token
    assert "no-store" in answer["Cache-Control"]
    (waiting,) = Invitation.objects.open()
    assert (waiting.email, waiting.team_id, waiting.role) == ("n@example.org", cast.shop.pk, Role.USER)


def test_whoever_accepts_while_somebody_else_is_signed_in_is_told_so(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    made = invite(organization=cast.example, team=cast.shop, role=Role.USER, email="n@example.org", actor=SOMEBODY)
    accepted = {"token": made.token, "accept": "", "password": "a new long pass phrase"}
    answer: Any = client.post(reverse("admin:invitation"), accepted, follow=True)
    (said,) = answer.context["messages"]
    assert str(said) == "n@example.org has the role now. You are still signed in as alice@example.org."


def test_a_link_of_the_console_chooses_the_place_and_nobody_elses(cast: Cast, visit: Visit) -> None:
    client, path = visit(cast.alice), reverse("admin:collectors_membership_add")
    named: dict[str, Any] = {"team": cast.shop.pk, "user": cast.carol.pk, "role": "ORG_ADMIN"}
    initial = client.get(path, named).context["adminform"].form.initial
    assert (initial["team"], initial["organization"], initial["email"]) == (
        cast.shop.pk,
        cast.example.pk,
        "carol@example.org",
    )
    assert "role" not in initial
    odd: dict[str, Any] = {
        "team": cast.foreign.pk,
        "organization": cast.sample.pk,
        "user": cast.mallory.pk,
        "email": "x@example.org",
    }
    assert not {"team", "organization", "email"} & set(client.get(path, odd).context["adminform"].form.initial)
    assert client.get(path, {"team": "9" * 40}).status_code == 200
