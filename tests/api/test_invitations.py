"""Invitations in the API."""

from typing import Any

import pytest
from django.test import Client

from collectors.models import Invitation, Membership, User
from tests.api.callers import ANYBODY, content_of, is_error, signed_in, tokens
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
NEW = "new@example.org"


def offered(cast: Cast, **body: Any) -> Any:
    names = {"organization_id": cast.example.pk, "team_id": cast.shop.pk, "role": "USER", "email": NEW}
    return signed_in(cast.alice).post("invitations", {**names, **body})


def token_of(answer: Any) -> str:
    found: str = content_of(answer)["url"].rstrip("/").rpartition("/")[2]
    return found


def test_the_link_is_in_the_answer_that_made_it_and_opens_a_page(cast: Cast) -> None:
    answer = offered(cast)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    content = content_of(answer)
    assert "url" not in content_of(signed_in(cast.alice).get(f"invitations/{content['id']}"))
    page = Client().get(content["url"])
    assert (page.status_code, page["Referrer-Policy"]) == (200, "no-referrer")
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
    link = content_of(offered(cast))["url"]
    client = Client()
    assert b"too short" in client.post(link, {"password": "short"}).content
    done = client.post(link, {"password": PASSWORD}, follow=True)
    assert b"Welcome" in done.content
    assert client.get(link).status_code == 404
    assert client.post("/admin/login/", {"username": NEW, "password": PASSWORD})["Location"] == "/admin/"


def test_whoever_is_signed_in_as_the_invited_accepts_without_a_password(cast: Cast) -> None:
    link = content_of(offered(cast, email="mallory@example.net"))["url"]
    client = Client()
    client.force_login(cast.mallory)
    assert b"id_password" not in client.get(link).content
    assert not Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()
    assert client.post(link)["Location"] == "/admin/"
    assert Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()


def test_whoever_is_signed_in_as_somebody_else_does_not(cast: Cast) -> None:
    link = content_of(offered(cast))["url"]
    client = Client()
    client.force_login(cast.mallory)
    assert b"id_password" in client.post(link).content
    assert not Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()


@pytest.mark.parametrize("link", ["x", "a" * 43, "%00", "%ff", "a" * 5000])
def test_a_link_that_is_none_says_so(link: str, cast: Cast) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(), method)(
            f"/admin/invitation/{link}/", {"password": PASSWORD} if method == "post" else None
        )
        assert answer.status_code == 404


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
