"""Organizations, teams, memberships and people, and signing in."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from collectors.domain import limits
from collectors.models import AuditEntry, LoginSession, Membership, Organization, Team, User
from tests.admin.conftest import Visit
from tests.api.callers import ANYBODY
from tests.cast import PASSWORD, Cast

REFUSED = "The e-mail address or the password is not right, or the account belongs to no organization."


def test_an_organization_is_created_by_super_admin_alone(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_organization_add")
    assert visit(cast.alice).post(path, {"name": "Mine"}).status_code == 403
    assert visit(cast.root).post(path, {"name": "New"}).status_code == 302
    assert Organization.objects.filter(name="New").exists()
    assert AuditEntry.objects.filter(action="organization.create", actor="root@example.org").exists()


def test_an_administrator_renames_the_own_organization(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_organization_change", args=[cast.example.pk])
    assert visit(cast.alice).post(path, {"name": "Example AG"}).status_code == 302
    assert visit(cast.bob).post(path, {"name": "Bob's"}).status_code == 403
    assert Organization.objects.get(pk=cast.example.pk).name == "Example AG"


def test_an_organization_that_watches_something_is_not_removed(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_organization_delete", args=[cast.example.pk])
    response = visit(cast.root).post(path, {"post": "yes", "typed": "Example GmbH"}, follow=True)
    assert b"still has databases or collectors" in response.content
    assert Organization.objects.filter(pk=cast.example.pk).exists()


def test_a_team_is_made_and_renamed_and_removed(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    client.post(reverse("admin:collectors_team_add"), {"organization": cast.example.pk, "name": "Payments"})
    team = Team.objects.get(name="Payments")
    client.post(
        reverse("admin:collectors_team_change", args=[team.pk]), {"name": "Billing", "organization": cast.sample.pk}
    )
    team.refresh_from_db()
    assert (team.name, team.organization_id) == ("Billing", cast.example.pk)
    client.post(reverse("admin:collectors_team_delete", args=[team.pk]), {"post": "yes"})
    assert not Team.objects.filter(pk=team.pk).exists()


@pytest.mark.parametrize("view", ["add", "change"])
def test_a_name_that_is_taken_is_said_in_the_form(view: str, cast: Cast, visit: Visit) -> None:
    path = reverse(f"admin:collectors_team_{view}", args=[cast.shop.pk] if view == "change" else [])
    response = visit(cast.alice).post(path, {"organization": cast.example.pk, "name": "Warehouse"})
    assert response.status_code == 200
    assert response.context["errors"]
    assert Team.objects.filter(name="Warehouse").count() == 1


def test_a_lead_manages_no_teams_and_no_roles(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    assert client.get(reverse("admin:collectors_team_add")).status_code == 403
    assert client.get(reverse("admin:collectors_membership_add")).status_code == 403
    membership = cast.carol.memberships.get()
    path = reverse("admin:collectors_membership_change", args=[membership.pk])
    assert client.get(path).status_code == 200
    assert client.post(path, {"role": "TEAM_LEAD"}).status_code == 403


@pytest.mark.parametrize("email", ["mallory@example.net", "nobody-yet@example.net", "MALLORY@example.net"])
def test_adding_somebody_says_the_same_for_known_and_unknown_addresses(email: str, cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    body = {"email": email, "organization": cast.example.pk, "team": cast.shop.pk, "role": "USER"}
    response = client.post(reverse("admin:collectors_membership_add"), body)
    assert (response.status_code, response["Cache-Control"].count("no-store")) == (200, 1)
    (token,) = set(re.findall(r"http://testserver/admin/invitation/#([\w-]{43})", response.content.decode()))
    assert email.lower() in Client().post(reverse("admin:invitation"), {"token": token}).content.decode()
    assert not Membership.objects.filter(team=cast.shop, user__email=email.lower()).exists()
    users = client.get(reverse("admin:collectors_user_changelist")).content.decode()
    assert email.lower() not in users, "nobody is shown before they accept"
    waiting = client.get(reverse("admin:collectors_invitation_changelist")).content.decode()
    assert email.lower() in waiting
    assert token not in waiting


def test_a_role_that_does_not_fit_is_refused_in_the_form(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    for body in (
        {"email": "x@example.org", "organization": cast.example.pk, "team": "", "role": "USER"},
        {"email": "x@example.org", "organization": cast.example.pk, "team": cast.shop.pk, "role": "ORG_ADMIN"},
        {"email": "bob@example.org", "organization": cast.example.pk, "team": cast.shop.pk, "role": "USER"},
        {"email": "x@example.org", "organization": cast.sample.pk, "team": cast.foreign.pk, "role": "USER"},
        {"email": "x@example.org", "organization": cast.example.pk, "team": cast.shop.pk, "role": "SUPER_ADMIN"},
        {"email": "\x00", "organization": "", "team": "", "role": ""},
    ):
        response = client.post(reverse("admin:collectors_membership_add"), body)
        assert response.status_code == 200
        assert response.context["errors"]
    assert not User.objects.filter(email="x@example.org").exists()


def test_the_last_administrator_stays(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    membership = cast.alice.memberships.get()
    response = client.post(
        reverse("admin:collectors_membership_delete", args=[membership.pk]), {"post": "yes"}, follow=True
    )
    assert b"left without an administrator" in response.content
    assert Membership.objects.filter(pk=membership.pk).exists()


def test_a_changed_role_ends_the_session_and_counts_from_the_next_one(cast: Cast, visit: Visit) -> None:
    carol = visit(cast.carol)
    assert carol.get(reverse("admin:collectors_collector_changelist")).status_code == 403
    membership = cast.carol.memberships.get()
    path = reverse("admin:collectors_membership_change", args=[membership.pk])
    assert visit(cast.alice).post(path, {"role": "TEAM_LEAD"}).status_code == 302
    assert carol.get(reverse("admin:index")).status_code == 302
    assert (
        visit(User.objects.get(pk=cast.carol.pk)).get(reverse("admin:collectors_collector_changelist")).status_code
        == 200
    )


def test_accounts_are_super_admins(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_user_change", args=[cast.carol.pk])
    alice = visit(cast.alice)
    assert alice.get(path).status_code == 200
    assert alice.post(path, {"email": cast.carol.email, "password": "taken over by alice"}).status_code == 403
    assert alice.get(reverse("admin:collectors_user_add")).status_code == 403
    assert User.objects.get(pk=cast.carol.pk).check_password(PASSWORD)


def test_super_admin_makes_and_changes_accounts(cast: Cast, visit: Visit) -> None:
    client = visit(cast.root)
    body = {"email": "Erin@Example.org", "name": "Erin", "password": "a new long pass phrase"}
    assert client.post(reverse("admin:collectors_user_add"), body).status_code == 302
    erin = User.objects.get(email="erin@example.org")
    assert erin.check_password("a new long pass phrase")
    LoginSession.objects.create(user=erin, refresh_id="0" * 32, expires_at=timezone.now() + timedelta(days=1))
    path = reverse("admin:collectors_user_change", args=[erin.pk])
    assert b"pbkdf2" not in client.get(path).content
    changed = {
        "email": "erin@example.org",
        "name": "Erin E.",
        "password": "another long pass phrase",
        "is_active": "on",
    }
    assert client.post(path, changed).status_code == 302
    erin.refresh_from_db()
    assert (erin.name, erin.check_password("another long pass phrase")) == ("Erin E.", True)
    assert not LoginSession.objects.filter(user=erin, ended_at=None).exists()
    assert "another long pass phrase" not in str(list(AuditEntry.objects.values()))


def test_a_weak_password_is_refused_in_the_form(cast: Cast, visit: Visit) -> None:
    body = {"email": "erin@example.org", "password": "12345"}
    response = visit(cast.root).post(reverse("admin:collectors_user_add"), body)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors["password"]
    assert not User.objects.filter(email="erin@example.org").exists()


def test_nobody_takes_the_own_rights_away_by_mistake(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_user_change", args=[cast.root.pk])
    assert visit(cast.root).post(path, {"email": "root@example.org", "name": "Root"}).status_code == 302
    root = User.objects.get(pk=cast.root.pk)
    assert (root.name, root.is_superuser, root.is_active) == ("Root", True, True)


def test_everybody_with_a_role_signs_in_by_address_in_any_case(cast: Cast) -> None:
    for email in ("carol@example.org", "Carol@Example.ORG"):
        response = Client().post("/admin/login/", {"username": email, "password": PASSWORD})
        assert response.headers["Location"] == "/admin/"


@pytest.mark.parametrize(
    ("email", "password"),
    [("carol@example.org", "wrong"), ("absent@example.org", PASSWORD), ("\x00", "\x00"), ("", ""), ("x" * 999, "y")],
)
def test_a_refused_sign_in_says_the_same(email: str, password: str, cast: Cast) -> None:
    response = Client().post("/admin/login/", {"username": email, "password": password})
    assert response.status_code == 200
    if len(email) in range(2, 255):
        assert response.context["form"].non_field_errors() == [REFUSED]
        assert AuditEntry.objects.filter(action="login.refused", actor=email, address="127.0.0.1").count() == 1
    assert not response.wsgi_request.user.is_authenticated


def test_whoever_belongs_nowhere_is_refused_in_the_same_words(cast: Cast) -> None:
    cast.carol.memberships.all().delete()
    response = Client().post("/admin/login/", {"username": cast.carol.email, "password": PASSWORD})
    assert response.context["form"].non_field_errors() == [REFUSED]


def test_a_new_membership_begins_with_the_role_that_may_least(cast: Cast, visit: Visit) -> None:
    page: Any = visit(cast.alice).get(reverse("admin:collectors_membership_add"))
    assert page.context["adminform"].form["role"].value() == "USER"


def test_signing_in_does_not_lead_elsewhere(cast: Cast) -> None:
    response = Client().post(
        "/admin/login/?next=https://evil.example", {"username": "carol@example.org", "password": PASSWORD}
    )
    assert response.headers["Location"] == "/admin/"


def test_a_new_own_password_ends_every_other_login(cast: Cast, visit: Visit) -> None:
    here, elsewhere = visit(cast.carol), visit(cast.carol)
    LoginSession.objects.create(user=cast.carol, refresh_id="0" * 32, expires_at=timezone.now() + timedelta(days=1))
    body = {"old_password": PASSWORD, "new_password1": "quite another phrase", "new_password2": "quite another phrase"}
    assert here.post(reverse("admin:password_change"), body).status_code == 302
    assert not LoginSession.objects.filter(user=cast.carol, ended_at=None).exists()
    assert here.get(reverse("admin:index")).status_code == 200
    assert elsewhere.get(reverse("admin:index")).status_code == 302
    assert AuditEntry.objects.filter(action="user.change", user_id=cast.carol.pk).exists()


def test_a_wrong_old_password_changes_nothing(cast: Cast, visit: Visit) -> None:
    body = {"old_password": "wrong", "new_password1": "quite another phrase", "new_password2": "quite another phrase"}
    assert visit(cast.carol).post(reverse("admin:password_change"), body).status_code == 200
    assert User.objects.get(pk=cast.carol.pk).check_password(PASSWORD)


def test_signing_in_is_throttled_together_with_the_api(cast: Cast) -> None:
    form = {"username": "carol@example.org", "password": "wrong"}
    for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR - 1):
        assert Client().post("/admin/login/", form).status_code == 200
    assert ANYBODY.post("auth/token", {"email": "Carol@example.org", "password": "wrong"}).status_code == 401
    response = Client().post("/admin/login/", {**form, "password": PASSWORD})
    assert (response.status_code, int(response["Retry-After"]) > 0) == (429, True)
    assert response.context["form"].non_field_errors() == ["Too many attempts to sign in. Try again in 15 minutes."]
    assert ANYBODY.post("auth/token", {"email": "carol@example.org", "password": PASSWORD}).status_code == 429


def test_guessing_the_old_password_in_a_session_is_throttled(cast: Cast, visit: Visit) -> None:
    client = visit(cast.carol)
    body = {"old_password": "wrong", "new_password1": "quite another phrase", "new_password2": "quite another phrase"}
    for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR):
        client.post(reverse("admin:password_change"), body)
    response = client.post(reverse("admin:password_change"), {**body, "old_password": PASSWORD})
    assert "Too many attempts" in str(response.context["errors"])
    assert User.objects.get(pk=cast.carol.pk).check_password(PASSWORD)


def test_a_deactivated_person_is_out_at_once(cast: Cast, visit: Visit) -> None:
    client = visit(cast.carol)
    User.objects.filter(pk=cast.carol.pk).update(is_active=False)
    assert client.get(reverse("admin:index")).status_code == 302
