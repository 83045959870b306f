"""The console's sessions, and what a dump of them is good for."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from collectors.services import logins
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def with_cookie(key: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = key
    return client


def test_what_is_stored_of_a_session_does_not_open_it(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.bob)
    key, stored = client.cookies["sessionid"].value, Session.objects.get().session_key
    assert key not in str(Session.objects.values())
    assert with_cookie(key).get("/admin/").status_code == 200
    assert with_cookie(stored).get("/admin/").status_code == 302


def test_a_session_ends_when_its_owner_leaves(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.bob)
    key = client.cookies["sessionid"].value
    client.post("/admin/logout/")
    assert with_cookie(key).get("/admin/").status_code == 302
    assert not Session.objects.exists()


def test_signing_in_gives_the_session_another_id(cast: Cast) -> None:
    client = with_cookie("a" * 32)
    client.get("/admin/login/")
    client.force_login(cast.bob)
    assert client.cookies["sessionid"].value != "a" * 32
    assert with_cookie("a" * 32).get("/admin/").status_code == 302


@pytest.mark.parametrize("key", ["", "x", "a" * 32, "a" * 5000, "\xff", "../../x", "%00"])
def test_an_id_that_is_none_is_nobodys(key: str, cast: Cast) -> None:
    assert with_cookie(key).get("/admin/").status_code == 302


def test_expired_sessions_open_nothing_and_are_removed(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.bob)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get("/admin/").status_code == 302
    Client().force_login(cast.bob)
    Session.objects.filter().update(expire_date=timezone.now() - timedelta(seconds=1))
    logins.forget_expired()
    assert not Session.objects.exists()
