"""Logins of people through the API: opened, carried on, ended."""

import logging
import secrets
from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.auth import authenticate
from django.db.models import F
from django.db.models.functions import Now

from collectors.domain.actors import Actor
from collectors.models import AuditEntry, LoginSession, LoginThrottle, User
from collectors.services import login_throttles
from collectors.services.errors import TooManyAttempts

_logger = logging.getLogger(__name__)


def new_refresh_id() -> str:
    """Return an id for a refresh token, 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def check_credentials(*, email: str, password: str, actor: Actor) -> User | None:
    """Return the active account that has this address and password, or None; a refusal is written into the audit.

    Raises `TooManyAttempts`, without a look at the password.
    """
    _admit(email, actor)
    user = authenticate(None, username=email, password=password)
    if not isinstance(user, User):
        record_refused(email=email, actor=actor)
        return None
    login_throttles.take_back(account=email, address=actor.address)
    return user


def check_own_password(*, user: User, password: str, actor: Actor) -> bool:
    """Tell whether that is the password of the signed-in person: a stolen login must not be a place to guess it.

    Raises `TooManyAttempts`.
    """
    _admit(user.email, actor)
    if not user.check_password(password):
        record_refused(email=user.email, actor=actor)
        return False
    login_throttles.take_back(account=user.email, address=actor.address)
    return True


def _admit(email: str, actor: Actor) -> None:
    try:
        login_throttles.admit(account=email, address=actor.address)
    except TooManyAttempts:
        _logger.warning("Too many attempts to sign in from %s.", actor.address or "an unknown address")
        raise


def open_login(
    *, user: User, refresh_id: str, lifetime: timedelta, actor: Actor, second_factor: bool = False
) -> LoginSession:
    """Open a login, whose first refresh token has that id. `second_factor` tells whether it was proven."""
    session = LoginSession(
        user=user,
        refresh_id=refresh_id,
        address=actor.address,
        auth_hash=user.get_session_auth_hash(),
        second_factor=second_factor,
    )
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


def end_logins(*, user: User) -> None:
    """End every login of the person, in API and admin: tokens and sessions are void from the next request."""
    LoginSession.objects.filter(user=user).delete()
    User.objects.filter(pk=user.pk).update(login_version=F("login_version") + 1)
    user.refresh_from_db(fields=["login_version"])


def record_refused(*, email: str, actor: Actor, action: str = "login.refused") -> None:
    """Write a refused login into the audit."""
    AuditEntry.objects.create(actor=email[:254], action=action, object_type="user", address=actor.address)


def forget_expired() -> int:
    """Remove logins that ended or expired more than a month ago, old sessions and attempts; return how many logins went."""
    month = timedelta(days=30)
    LoginThrottle.forget()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return LoginSession.objects.filter(expires_at__lt=Now() - month).delete()[0]
