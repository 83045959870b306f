"""Invitations in the API."""

from typing import Any

import pytest
from django.test import Client

from collectors.models import Invitation, Membership, User
from collectors.services.invitations import find
from tests.api.callers import ANYBODY, content_of, is_error, signed_in, tokens
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
NEW = "new@example.org"
PAGE = "/admin/invitation/"


def offered(cast: Cast, **body: Any) -> Any:
    names = {"organization_id": cast.example.pk, "team_id": cast.shop.pk, "role": "USER", "email": NEW}
    return signed_in(cast.alice).post("invitations", {**names, **body})


def token_of(answer: Any) -> str:
    found: str = content_of(answer)["url"].rpartition("#")[2]
    return found


def opened(client: Client, token: str, **form: str) -> Any:
    """Post the token to the page, as the script there does with the one behind the `#`."""
    return client.post(PAGE, {"token": token, **form})


def test_the_link_is_in_the_answer_that_made_it_and_opens_a_page(cast: Cast) -> None:
    answer = offered(cast)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    content = content_of(answer)
    assert "url" not in content_of(signed_in(cast.alice).get(f"invitations/{content['id']}"))
    assert content["url"] == f"http://testserver{PAGE}#{token_of(answer)}"
    assert b"invitation.js" in Client().get(content["url"]).content
    page = opened(Client(), token_of(answer))
    assert page.status_code == 200
    assert b"Example GmbH" in page.content
    assert Invitation.objects.get().accepted_at is None


def test_it_is_accepted_without_signing_in_and_the_new_account_works(cast: Cast) -> None:
    token = token_of(offered(cast))
    answer = ANYBODY.post("invitations/accept", {"token": token, "password": PASSWORD, "name": "Nina"})
    assert (answer.status_code, content_of(answer)) == (200, {"email": NEW})
    user = User.objects.get(email=NEW)
    assert user.name == "Nina"
    assert tokens(user)
    again = ANYBODY.post("invitations/accept", {"token": token, "password": PASSWORD})
    assert (again.status_code, content_of(again)["code"]) == (400, "invitation_void")


def test_it_is_accepted_on_the_page(cast: Cast) -> None:
    token = token_of(offered(cast))
    client = Client()
    assert b"too short" in opened(client, token, accept="", password="short").content
    done = opened(client, token, accept="", password=PASSWORD)
    assert done["Location"] == "/admin/login/"
    assert b"Welcome" in client.get("/admin/login/").content
    assert opened(client, token).status_code == 404
    assert client.post("/admin/login/", {"username": NEW, "password": PASSWORD})["Location"] == "/admin/"


def test_whoever_is_signed_in_as_the_invited_accepts_without_a_password(cast: Cast) -> None:
    token = token_of(offered(cast, email="mallory@example.net"))
    client = Client()
    client.force_login(cast.mallory)
    assert b"id_password" not in opened(client, token).content
    assert not Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()
    assert opened(client, token, accept="")["Location"] == "/admin/"
    assert Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()


def test_whoever_is_signed_in_as_somebody_else_does_not(cast: Cast) -> None:
    token = token_of(offered(cast))
    client = Client()
    client.force_login(cast.mallory)
    assert b"id_password" in opened(client, token, accept="").content
    assert not Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()


@pytest.mark.parametrize("token", ["x", "a" * 43, "\ud800".encode("utf-8", "replace").decode(), "é" * 50])
def test_a_link_that_is_none_says_so(token: str, cast: Cast) -> None:
    for form in ({}, {"accept": "", "password": PASSWORD}):
        assert opened(Client(), token, **form).status_code == 404
    for broken in ("", "\0", "a" * 5000):
        assert opened(Client(), broken, accept="", password=PASSWORD).status_code == 200


def test_a_token_is_in_no_log_whatever_is_refused(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = token_of(offered(cast, email="mallory@example.net"))
    answers = [opened(Client(), token, accept="", password=f"a wrong phrase {n}") for n in range(11)]
    answers.append(opened(Client(enforce_csrf_checks=True), token))
    answers.append(opened(Client(), f"{token}x"))
    assert [answer.status_code for answer in answers[-3:]] == [429, 403, 404]
    assert len(caplog.records) >= 3
    assert token not in caplog.text
    assert find(token), "it is good still"


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no address"},
        {"role": "SUPER_ADMIN"},
        {"role": "ORG_ADMIN"},
        {"team_id": None},
        {"expires_in_days": 31},
        {"accepted_at": "2026-01-01T00:00:00Z"},
        {"token_hash": "x"},
    ],
)
def test_an_invitation_that_cannot_be_is_refused(body: dict[str, Any], cast: Cast) -> None:
    answer = offered(cast, **body)
    assert (answer.status_code, is_error(answer)) == (400, True)
    assert not Invitation.objects.exists()
