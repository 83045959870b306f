"""The second factor in the console: nothing opens before it, and it is set up, used and lost there."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from collectors.models import SecondFactor, User
from collectors.services import people, second_factors
from tests.admin.conftest import Visit
from tests.authenticator import Authenticator, with_second_factor
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db
PAGE = "/admin/second-factor/"


def with_password(user: User, next_page: str = "/admin/") -> Client:
    client = Client()
    answer = client.post(f"/admin/login/?next={next_page}", {"username": user.email, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, next_page)
    return client


def test_the_password_alone_opens_no_page(cast: Cast) -> None:
    with_second_factor(cast.bob)
    client = with_password(cast.bob)
    for page in ("/admin/", reverse("admin:collectors_team_changelist"), reverse("admin:tokens"), "/admin/search/?s=a"):
        answer = client.get(page)
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/admin/login/"), page
    body = {"old_password": PASSWORD, "new_password1": "quite another phrase", "new_password2": "quite another phrase"}
    assert client.post(reverse("admin:password_change"), body).status_code == 302
    assert User.objects.get(pk=cast.bob.pk).check_password(PASSWORD)


def test_the_code_opens_the_page_that_was_asked_for(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    wanted = reverse("admin:collectors_team_changelist")
    client = with_password(cast.bob, wanted)
    answer = client.get(wanted, follow=True)
    assert answer.redirect_chain[-1][0].startswith(PAGE)
    assert b"Shop" not in answer.content
    address = answer.redirect_chain[-1][0]
    assert b"not right" in client.post(address, {"code": "000000"}).content
    done = client.post(address, {"code": app.code(1)})
    assert (done.status_code, done["Location"]) == (302, wanted)
    assert client.get(wanted).status_code == 200


def test_a_code_leads_to_no_other_site(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    client = with_password(cast.bob)
    answer = client.post(f"{PAGE}?next=https://evil.example/", {"code": app.recovery_codes[0]})
    assert answer["Location"] == "/admin/"


def test_whoever_proved_the_password_can_leave_without_a_code(cast: Cast) -> None:
    with_second_factor(cast.bob)
    client = with_password(cast.bob)
    assert client.post(PAGE, {"sign_out": "1"})["Location"] == "/admin/login/"
    assert client.get(PAGE)["Location"] == "/admin/login/"


def test_nobody_sees_the_page_before_the_password(cast: Cast) -> None:
    assert Client().get(PAGE)["Location"] == "/admin/login/"
    assert Client().post(PAGE, {"begin": "1"})["Location"] == "/admin/login/"


def test_too_many_codes_are_429(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    client = with_password(cast.bob)
    for _ in range(10):
        assert client.post(PAGE, {"code": "000000"}).status_code == 200
    answer = client.post(PAGE, {"code": app.code(1)})
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)
    assert client.get("/admin/").status_code == 302


def test_one_is_set_up_where_the_organization_asks_for_it_and_nothing_opens_before(cast: Cast) -> None:
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)
    client = with_password(cast.bob)
    answer = client.get("/admin/", follow=True)
    assert b"asks for a second factor" in answer.content
    assert SecondFactor.objects.count() == 0, "looking changes nothing"
    client.post(PAGE, {"begin": "1"})
    page = client.get(PAGE)
    assert page["Cache-Control"].startswith("max-age=0")
    found = re.search(r'id="copy-secret"[^>]*>([A-Z2-7]{32})<', page.content.decode())
    assert found
    assert b"data:image/svg" in page.content
    assert b"not right" in client.post(PAGE, {"code": "000000"}).content
    done = client.post(PAGE, {"code": Authenticator(found[1]).code()})
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", done.content.decode())
    assert len(codes) == 10
    assert client.get("/admin/").status_code == 200
    assert codes[0] not in client.get(PAGE).content.decode()
    assert found[1] not in client.get(PAGE).content.decode()


def test_setting_one_up_ends_every_other_session(cast: Cast, visit: Visit) -> None:
    elsewhere = visit(cast.bob)
    client = with_password(cast.bob)
    client.post(PAGE, {"begin": "1"})
    secret = second_factors.unconfirmed_secret(user=cast.bob) or ""
    client.post(PAGE, {"code": Authenticator(secret).code()})
    assert client.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


def test_recovery_codes_are_renewed_and_it_is_switched_off_with_a_code(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    client = with_password(cast.bob)
    client.post(PAGE, {"code": app.code(1)})
    renewed = client.post(PAGE, {"code": app.recovery_codes[0], "renew": ""})
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", renewed.content.decode())
    assert b"not right" in client.post(PAGE, {"code": app.recovery_codes[1], "disable": ""}).content
    assert second_factors.is_on(cast.bob)
    client.post(PAGE, {"code": codes[0], "disable": ""})
    assert not second_factors.is_on(cast.bob)
    assert client.get("/admin/").status_code == 200


def test_it_is_not_switched_off_where_it_is_asked_for(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)
    client = with_password(cast.bob)
    client.post(PAGE, {"code": app.code(1)})
    answer = client.post(PAGE, {"code": app.recovery_codes[0], "disable": ""})
    assert b"asks for a second factor" in answer.content
    assert second_factors.is_on(cast.bob)


def test_super_admin_resets_the_second_factor_of_somebody_who_lost_it(cast: Cast, visit: Visit) -> None:
    with_second_factor(cast.bob)
    path = reverse("admin:collectors_user_do", args=[cast.bob.pk, "reset_second_factor"])
    assert visit(cast.alice).post(path).status_code in (403, 404)
    assert second_factors.is_on(cast.bob)
    root = visit(cast.root)
    assert "recovery codes are good no more" in root.post(path).content.decode()
    assert second_factors.is_on(cast.bob)
    assert root.post(path, {"confirmed": "1"}).status_code == 302
    assert not second_factors.is_on(cast.bob)


def test_super_admin_does_not_reset_the_own_one_without_a_code(cast: Cast) -> None:
    app = with_second_factor(cast.root)
    client = with_password(cast.root)
    client.post(PAGE, {"code": app.code(1)})
    path = reverse("admin:collectors_user_do", args=[cast.root.pk, "reset_second_factor"])
    assert b"takes a code" in client.post(path, {"confirmed": "1"}, follow=True).content
    assert second_factors.is_on(cast.root)


def test_where_no_key_opens_the_stored_secret_the_page_still_takes_recovery_codes(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    second_factors.begin(user=cast.carol, actor=SOMEBODY)
    SecondFactor.objects.update(secret="garbage")
    bob, carol = with_password(cast.bob), with_password(cast.carol)
    assert b"not right" in bob.post(PAGE, {"code": app.code(1)}).content
    assert bob.post(PAGE, {"code": app.recovery_codes[0]}).status_code == 302
    assert bob.get("/admin/").status_code == 200
    assert b"authenticator app" in carol.get(PAGE).content


def test_signing_somebody_out_everywhere_ends_sessions_and_tokens(cast: Cast, visit: Visit) -> None:
    bob = visit(cast.bob)
    assert bob.get("/admin/").status_code == 200
    path = reverse("admin:collectors_user_do", args=[cast.bob.pk, "end_logins"])
    visit(cast.root).post(path, {"confirmed": "1"})
    assert bob.get("/admin/").status_code == 302
