"""What the console refuses is in the audit, once a minute, and an absent row and one of others are written alike."""

from typing import Any

import pytest
from django.test import Client

from collectors.domain.roles import Role
from collectors.models import AuditEntry, Membership, Organization, Statement, Team
from collectors.services.invitations import invite
from tests.admin.conftest import Rows, Visit
from tests.authenticator import with_second_factor
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db
COLLECTORS = "/admin/collectors/collector/"
INVITATIONS = "/admin/collectors/invitation/"


def refusals() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="access.refused").order_by("pk"))


def reasons() -> list[Any]:
    return [entry.after.get("reason") for entry in refusals()]


def test_a_row_of_others_and_one_that_is_absent_are_written_alike(cast: Cast, visit: Visit) -> None:
    alice = visit(cast.alice)
    pages = ("change/", "delete/", "history/", "arrival/")
    for number in (cast.foreign_collector.pk, 999_999):
        for page in pages:
            alice.get(f"{COLLECTORS}{number}/{page}")
        alice.post(f"{COLLECTORS}{number}/do/stop/")
    found = [(entry.organization_id, entry.object_type, entry.object_id, entry.after["reason"]) for entry in refusals()]
    assert found == [(cast.example.pk, "", None, "not_found")] * 10


def test_a_page_that_the_role_does_not_get_names_the_row_that_may_be_seen(cast: Cast, visit: Visit) -> None:
    Membership.objects.create(user=cast.bob, organization=cast.sample, role=Role.ORG_ADMIN)
    bob = visit(cast.bob)
    membership = Membership.objects.get(user=cast.alice)
    assert bob.get(f"/admin/collectors/team/{cast.shop.pk}/delete/").status_code == 403
    assert bob.get(f"/admin/collectors/membership/{membership.pk}/delete/").status_code in (302, 403)
    entry = refusals()[0]
    assert (entry.object_type, entry.object_id, entry.organization_id) == ("team", cast.shop.pk, cast.example.pk)


def invited(organization: Organization, team: Team | None, email: str) -> int:
    made = invite(organization=organization, team=team, role=Role.USER, email=email, actor=SOMEBODY)
    return made.row.pk


def test_actions_that_the_role_does_not_get_are_written(cast: Cast, visit: Visit) -> None:
    bob = visit(cast.bob)
    number = invited(cast.example, cast.shop, "a@example.org")
    bob.post(INVITATIONS, {"action": "no_such_thing", "_selected_action": [number]})
    assert reasons() == []
    bob.post(INVITATIONS, {"action": "revoke", "_selected_action": [number]})
    assert reasons() == ["action_not_offered"]
    assert bob.post(f"{INVITATIONS}{number}/do/revoke/").status_code == 404
    assert reasons() == ["action_not_offered", "not_found"]


def test_rows_that_are_left_out_of_an_action_are_written(cast: Cast, visit: Visit) -> None:
    Membership.objects.create(user=cast.bob, organization=cast.sample, role=Role.ORG_ADMIN)
    bob = visit(cast.bob)
    own = invited(cast.sample, cast.foreign, "a@example.org")
    seen = invited(cast.example, cast.shop, "b@example.org")
    unseen = invited(cast.example, cast.warehouse, "c@example.org")
    bob.post(INVITATIONS, {"action": "revoke", "_selected_action": [own, seen, unseen, 999_999], "confirmed": "1"})
    found = [(entry.after.get("reason"), entry.object_id, entry.organization_id) for entry in refusals()]
    assert found == [("not_found", None, None), ("not_found", None, None), (None, seen, cast.example.pk)]
    assert AuditEntry.objects.get(action="invitation.revoke").object_id == own


def test_what_a_rule_forbids_is_written_with_its_row(cast: Cast, visit: Visit) -> None:
    membership = Membership.objects.get(user=cast.alice)
    visit(cast.alice).post(f"/admin/collectors/membership/{membership.pk}/delete/", {"post": "yes"})
    entry = refusals()[-1]
    assert (entry.after["reason"], entry.object_id, entry.organization_id) == (
        "last_admin",
        membership.pk,
        cast.example.pk,
    )


def test_a_form_without_the_token_of_its_session_is_written(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.bob)
    assert client.post("/admin/tokens/", {"name": "x"}).status_code == 403
    assert [(entry.after["reason"], entry.user_id, entry.organization_id) for entry in refusals()] == [
        ("csrf", cast.bob.pk, cast.example.pk)
    ]
    stranger = Client(enforce_csrf_checks=True)
    for _ in range(3):
        assert stranger.post("/admin/login/", {"username": "x", "password": "canary-typed"}).status_code == 403
    assert AuditEntry.objects.get(action="form.refused").after == {"path": "/admin/login/"}


def test_an_address_that_there_is_for_nobody_is_no_refusal(cast: Cast, visit: Visit) -> None:
    visit(cast.alice).get("/admin/nothing/like/that/")
    assert refusals() == []


def test_a_link_that_is_void_is_written_once_a_network_and_minute() -> None:
    for token in ("a", "b"):
        assert Client().post("/admin/invitation/", {"token": token}).status_code == 404
    entry = AuditEntry.objects.get(action="invitation.refused")
    assert entry.after == {"path": "/admin/invitation/"}


def logins() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="login.").order_by("pk").values_list("action", flat=True))


def test_signing_in_and_out_is_written_with_the_address(cast: Cast) -> None:
    client = Client()
    client.post("/admin/login/", {"username": cast.bob.email, "password": PASSWORD})
    client.post("/admin/logout/")
    assert logins() == ["login.open", "login.end"]
    entry = AuditEntry.objects.get(action="login.open")
    assert (entry.user_id, entry.actor, entry.address) == (cast.bob.pk, cast.bob.email, "127.0.0.1")


def test_with_a_second_factor_somebody_is_in_only_once_it_is_proven(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    client = Client()
    client.post("/admin/login/", {"username": cast.bob.email, "password": PASSWORD})
    assert logins() == ["login.password"]
    client.post("/admin/second-factor/", {"code": app.code(1)})
    assert logins() == ["login.password", "login.open"]
    assert AuditEntry.objects.get(action="login.open").after == {"way": "console", "second_factor": True}


def test_the_audit_is_narrowed_by_action_object_type_and_person(cast: Cast, visit: Visit) -> None:
    visit(cast.carol).get(f"/admin/collectors/team/{cast.shop.pk}/delete/")
    alice = visit(cast.alice)
    address = "/admin/collectors/auditentry/"
    for query, count in (
        ("action=access.refused", 1),
        ("action=collector.register", 2),
        ("action=no.such", 0),
        ("object_type=team", 1),
        (f"user_id={cast.carol.pk}", 1),
        (f"user_id={cast.mallory.pk}", 0),
        ("user_id=x", 0),
    ):
        answer = alice.get(f"{address}?{query}")
        assert (answer.status_code, answer.context["cl"].result_count) == (200, count), query
    page = alice.get(address).content.decode()
    assert cast.carol.email in page
    assert cast.mallory.email not in page


def test_what_a_service_refuses_of_notes_plans_and_filters_is_written_too(cast: Cast, own: Rows, visit: Visit) -> None:
    bob, page = visit(cast.bob), f"/admin/queries/{own.fingerprint.pk}/"
    Statement.objects.filter(pk=own.statement.pk).update(source="pg_stat_statements")
    bob.post(page, {"note": ""})
    bob.post(f"{page}plan/", {"statement": own.statement.pk})
    bob.post(f"{COLLECTORS}filters/", {"save": "1", "name": ""})
    assert reasons() == ["invalid", "no_plan", "invalid"]
    assert [entry.object_type for entry in refusals()] == ["fingerprint", "fingerprint", ""]
