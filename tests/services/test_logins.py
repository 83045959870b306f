"""Logins: opened, carried on by one refresh token at a time, ended."""

from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from collectors.domain.actors import Actor
from collectors.models import AuditEntry, LoginSession, User
from collectors.services import logins
from tests.cast import PASSWORD, SOMEBODY, Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


def log_in(user: User, refresh_id: str = "first") -> LoginSession:
    """Open a login."""
    actor = Actor(label=user.email, address="192.0.2.1")
    return logins.open_login(user=user, refresh_id=refresh_id, lifetime=WEEK, actor=actor)


def rotate(session: LoginSession, presented: str, replacement: str) -> bool:
    return logins.rotate(session=session, presented=presented, replacement=replacement, lifetime=WEEK, actor=SOMEBODY)


def test_a_refresh_token_is_good_once(cast: Cast) -> None:
    session = log_in(cast.bob)
    assert rotate(session, "first", "second")
    assert rotate(session, "second", "third")
    session.refresh_from_db()
    assert session.ended_at is None


def test_one_that_was_used_before_ends_the_login(cast: Cast) -> None:
    session = log_in(cast.bob)
    rotate(session, "first", "second")
    assert not rotate(session, "first", "stolen")
    assert not rotate(session, "second", "third")
    session.refresh_from_db()
    assert session.ended_at is not None


def test_an_ended_login_stays_ended(cast: Cast) -> None:
    session = log_in(cast.bob)
    logins.end_login(session=session, actor=SOMEBODY)
    assert not rotate(session, "first", "second")


def test_refresh_ids_are_random() -> None:
    assert len({logins.new_refresh_id() for _ in range(50)}) == 50
    assert len(logins.new_refresh_id()) == 32


def test_a_refused_login_is_in_the_audit(cast: Cast) -> None:
    logins.record_refused(email="Nobody@example.org", actor=Actor(label="anonymous", address="192.0.2.1"))
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor, entry.address) == ("login.refused", "Nobody@example.org", "192.0.2.1")


@pytest.mark.parametrize("typed", [PASSWORD, f"{PASSWORD}@", "x" * 300])
def test_a_password_that_is_typed_where_the_address_goes_is_not_written_down(cast: Cast, typed: str) -> None:
    assert logins.check_credentials(email=typed, password="x", actor=Actor(label="anonymous")) is None
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor) == ("login.refused", "anonymous")
    assert typed not in str(entry.content())


def test_expired_logins_are_forgotten_after_a_month(cast: Cast) -> None:
    log_in(cast.bob)
    assert logins.forget_expired() == 0
    LoginSession.objects.update(expires_at=Now() - timedelta(days=31))
    assert logins.forget_expired() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_refresh_token_used_twice_at_once_is_good_once(cast: Cast) -> None:
    session = log_in(cast.bob)
    results = at_once(*[partial(rotate, session, "first", name) for name in ("a", "b", "c")])
    assert sorted(map(str, results)) == ["False", "False", "True"]
    session.refresh_from_db()
    assert session.ended_at is not None
