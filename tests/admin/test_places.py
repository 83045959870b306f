"""The pages of organizations, teams and people: what is in them, for whoever may see it."""

from typing import Any

from django.urls import reverse

from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import Membership, PersonalToken
from collectors.services import people
from tests.admin.conftest import Rows, Visit
from tests.cast import SOMEBODY, Cast


def page(visit: Visit, who: Any, noun: str, pk: int) -> Any:
    answer = visit(who).get(reverse(f"admin:collectors_{noun}_change", args=[pk]))
    assert answer.status_code == 200
    return answer


def test_an_organization_shows_an_administrator_all_that_is_in_it(
    cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    answer = page(visit, cast.alice, "organization", cast.example.pk)
    lines = {str(line.team): (line.people, line.databases) for line in answer.context["teams"]}
    assert lines == {"Shop": (3, 1), "Warehouse": (1, 1)}
    shown = {line.user.email: line.has_factor for line in answer.context["people"]}
    assert shown[own.user.email] is True
    assert shown["bob@example.org"] is False
    assert [row.email for row in answer.context["invitations"]] == [own.invitation.email]
    text = answer.content.decode()
    assert "Invite somebody" in text
    assert "New team" in text
    for word in ("Sample Srl", "mallory", "foreign-mysql", foreign.user.email):
        assert word not in text


def test_a_lead_sees_the_own_team_of_it_and_a_user_no_people_and_no_collectors(
    cast: Cast, own: Rows, visit: Visit
) -> None:
    lead = page(visit, cast.bob, "organization", cast.example.pk)
    assert [str(line.team) for line in lead.context["teams"]] == ["Shop"]
    assert {line.user.email for line in lead.context["people"]} == {
        "bob@example.org",
        "carol@example.org",
        own.user.email,
    }
    assert [line.has_factor for line in lead.context["people"]] == [None] * 3
    assert lead.context["acts"] == []
    text = lead.content.decode()
    assert "dave@example.org" not in text
    assert "Invite somebody" not in text
    user = page(visit, cast.carol, "organization", cast.example.pk).content.decode()
    for word in ("bob@example.org", "shop-mysql", "STARTING", "Settings"):
        assert word not in user
    assert "Shop" in user


def test_a_team_shows_its_people_collectors_and_databases(cast: Cast, own: Rows, visit: Visit) -> None:
    people.change_team(team=cast.shop, name="Shopping", actor=SOMEBODY)
    answer = page(visit, cast.alice, "team", cast.shop.pk)
    assert [str(row) for row, _, _ in answer.context["collectors"]] == ["shop-mysql"]
    assert answer.context["acts"][0].entry.action == "team.change"
    text = answer.content.decode()
    assert "warehouse-pg" not in text
    assert reverse("admin:collectors_membership_add") + f"?team={cast.shop.pk}" in text


def test_the_way_to_the_audit_of_a_team_leads_there_whatever_it_is_called(cast: Cast, visit: Visit) -> None:
    people.change_team(team=cast.shop, name="R&D +50 %", actor=SOMEBODY)
    query = page(visit, cast.alice, "team", cast.shop.pk).context["audit_query"]
    told = visit(cast.alice).get(f"{reverse('admin:collectors_auditentry_changelist')}?{query}")
    assert [entry.action for entry in told.context["cl"].result_list] == ["team.change"]


def test_the_last_act_in_an_organization_was_done_there(cast: Cast, visit: Visit) -> None:
    Membership.objects.create(user=cast.bob, organization=cast.sample, role=Role.ORG_ADMIN)
    bob = Actor(label=cast.bob.email, user_id=cast.bob.pk, address="")
    people.change_team(team=cast.foreign, name="Elsewhere", actor=bob)
    shown = page(visit, cast.root, "organization", cast.example.pk).context["people"]
    assert [line.last_act for line in shown if line.user == cast.bob] == [None]


def test_a_person_is_shown_with_the_roles_that_the_reader_knows_and_no_others(cast: Cast, visit: Visit) -> None:
    Membership.objects.create(user=cast.bob, organization=cast.sample, role=Role.ORG_ADMIN)
    PersonalToken.objects.create(user=cast.bob, name="t", token_hash="a", expires_at="2999-01-01T00:00Z")
    people.change_team(team=cast.foreign, name="Secret", actor=SOMEBODY)
    alice = page(visit, cast.alice, "user", cast.bob.pk)
    assert [(row.role, manages) for row, _, manages in alice.context["roles_held"]] == [("TEAM_LEAD", True)]
    assert (alice.context["is_own"], alice.context["tokens"]) == (False, 0)
    assert "Sample Srl" not in alice.content.decode()
    assert "Last sign-in" not in alice.content.decode()
    root = page(visit, cast.root, "user", cast.bob.pk)
    assert {row.role for row, _, _ in root.context["roles_held"]} == {"TEAM_LEAD", "ORG_ADMIN"}
    assert root.context["tokens"] == 1
    assert "cannot sign in" not in page(visit, cast.root, "user", cast.root.pk).content.decode()
    carols = page(visit, cast.bob, "user", cast.carol.pk)
    assert [manages for _, _, manages in carols.context["roles_held"]] == [False]
    assert carols.context["tells_factor"] is False


def test_lists_count_what_the_reader_sees(cast: Cast, visit: Visit) -> None:
    listed = visit(cast.bob).get(reverse("admin:collectors_organization_changelist")).context["cl"].result_list
    assert [row.counted for row in listed] == [{"teams": 1, "people": 2, "databases": 1, "collectors": 1}]
    columns = visit(cast.carol).get(reverse("admin:collectors_team_changelist")).context["cl"].list_display
    assert not {"people", "collectors"} & set(columns)


def test_what_a_role_does_not_show_in_a_place_is_not_told_to_be_none(cast: Cast, visit: Visit) -> None:
    Membership.objects.create(user=cast.carol, organization=cast.example, team=cast.warehouse, role=Role.TEAM_LEAD)
    Membership.objects.create(user=cast.bob, organization=cast.sample, role=Role.ORG_ADMIN)
    shop = page(visit, cast.carol, "team", cast.shop.pk).content.decode()
    for words in ("Nobody has a role here yet", "No collector yet", "People</dt>"):
        assert words not in shop
    lines = page(visit, cast.carol, "organization", cast.example.pk).context["teams"]
    assert [(str(line.team), line.people, line.statuses is None) for line in lines] == [
        ("Shop", None, True),
        ("Warehouse", 2, False),
    ]
    listed = visit(cast.carol).get(reverse("admin:collectors_team_changelist"))
    assert [row.counted["collectors"] for row in listed.context["cl"].result_list] == [None, 1]
    acts = page(visit, cast.bob, "team", cast.shop.pk).content.decode()
    for words in ("What happened lately", "Last act here"):
        assert words not in acts


def test_a_list_that_holds_nothing_says_what_to_do(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    assert "a link that you hand over yourself" in client.get("/admin/collectors/invitation/").content.decode()
    assert "Take away a filter" in client.get("/admin/collectors/team/?q=nothing").content.decode()


def test_a_browser_that_is_refused_is_told_so_in_plain_words_and_a_program_in_its_own(cast: Cast, visit: Visit) -> None:
    client, html = visit(cast.carol), {"Accept": "text/html,*/*"}
    refused = client.get("/admin/collectors/collector/", headers=html)
    assert (refused.status_code, "Your role does not permit this" in refused.content.decode()) == (403, True)
    absent = client.get("/admin/no-such-page/", headers=html)
    assert (absent.status_code, "There is no such page" in absent.content.decode()) == (404, True)
    assert client.get("/admin/no-such-page/").json()["code"] == "not_found"
