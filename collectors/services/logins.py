"""Logins of people through the API: opened, carried on, ended."""

import secrets
from datetime import timedelta

from django.db.models.functions import Now

from collectors.domain.actors import Actor
from collectors.models import AuditEntry, LoginSession


def new_refresh_id() -> str:
    """Return an id for a refresh token, 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def open_login(*, user_id: int, refresh_id: str, lifetime: timedelta, actor: Actor) -> LoginSession:
    """Open a login, whose first refresh token has that id."""
    session = LoginSession(user_id=user_id, refresh_id=refresh_id, address=actor.address)
    session.expires_at = Now() + lifetime
    session.save(force_insert=True)
    return session


def rotate(*, session: LoginSession, presented: str, replacement: str, lifetime: timedelta) -> bool:
    """Exchange the refresh token; return whether the presented one was the good one. Any other ends the login."""
    changed = LoginSession.objects.filter(pk=session.pk, refresh_id=presented, ended_at=None).update(
        refresh_id=replacement, expires_at=Now() + lifetime
    )
    if not changed:
        end_login(session=session)
    return bool(changed)


def end_login(*, session: LoginSession) -> None:
    """End a login: access and refresh tokens are void from the next request."""
    LoginSession.objects.filter(pk=session.pk, ended_at=None).update(ended_at=Now())


def record_refused(*, email: str, actor: Actor) -> None:
    """Write a refused login into the audit."""
    AuditEntry.objects.create(actor=email[:254], action="login.refused", object_type="user", address=actor.address)


def forget_expired() -> int:
    """Remove logins that ended or expired more than a month ago; return how many rows went."""
    month = timedelta(days=30)
    return LoginSession.objects.filter(expires_at__lt=Now() - month).delete()[0]
