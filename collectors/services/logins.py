"""Logins of people through the API: opened, carried on, ended."""

import logging
import secrets
from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from collectors.domain.actors import Actor
from collectors.models import LoginSession, LoginThrottle, User
from collectors.services import audit, key_failures, login_throttles
from collectors.services.errors import TooManyAttempts

_logger = logging.getLogger(__name__)


def new_refresh_id() -> str:
    """Return an id for a refresh token, 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def check_credentials(*, email: str, password: str, actor: Actor) -> User | None:
    """Return the active account that has this address and password, or None; a refusal is written into the audit.

    Raises `TooManyAttempts`, without a look at the password.
    """
    admit(account=email, actor=actor)
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
    admit(account=user.email, actor=actor)
    if not user.check_password(password):
        record_refused(email=user.email, actor=actor)
        return False
    login_throttles.take_back(account=user.email, address=actor.address)
    return True


def admit(*, account: str, actor: Actor, daily: bool = False) -> None:
    """Count an attempt as `login_throttles.admit` does; that there were too many is written down, once a network and minute."""
    try:
        login_throttles.admit(account=account, address=actor.address, daily=daily)
    except TooManyAttempts:
        _logger.warning("Too many attempts to sign in from %s.", actor.address or "an unknown address")
        key_failures.note_refused(refused="login", actor=actor)
        raise


def record_opened(*, user: User, actor: Actor, way: str, second_factor: bool) -> None:
    """Write down that somebody is signed in from now on. `way` is "api" or "console"."""
    after = {"way": way, "second_factor": second_factor}
    audit.record(actor=_owner(user, actor), action="login.open", row=user, organization_id=None, after=after)


def record_password_proven(*, user: User, actor: Actor) -> None:
    """Write down that the password was right, and that the second factor is still missing."""
    audit.record(actor=_owner(user, actor), action="login.password", row=user, organization_id=None)


def record_ended(*, user: User, actor: Actor) -> None:
    """Write down that somebody signed out."""
    audit.record(actor=_owner(user, actor), action="login.end", row=user, organization_id=None)


def _owner(user: User, actor: Actor) -> Actor:
    # Whoever proves an account was nobody yet when the request came.
    return Actor(label=user.email, user_id=user.pk, address=actor.address)


@transaction.atomic
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
    record_opened(user=user, actor=actor, way="api", second_factor=second_factor)
    return session


@transaction.atomic
def rotate(*, session: LoginSession, presented: str, replacement: str, lifetime: timedelta, actor: Actor) -> bool:
    """Exchange the refresh token; return whether the presented one was the good one. Any other ends the login.

    Who presents one that was used before holds a copy, or was robbed of it: that is in the audit.
    """
    changed = LoginSession.objects.filter(pk=session.pk, refresh_id=presented, ended_at=None).update(
        refresh_id=replacement, expires_at=Now() + lifetime
    )
    if not changed and _end(session):
        user = session.user
        organization_id = audit.organization_of_person(user.pk)
        audit.record(actor=_owner(user, actor), action="token.reused", row=user, organization_id=organization_id)
    return bool(changed)


@transaction.atomic
def end_login(*, session: LoginSession, actor: Actor) -> None:
    """End a login: access and refresh tokens are void from the next request."""
    if _end(session):
        record_ended(user=session.user, actor=actor)


def _end(session: LoginSession) -> bool:
    return bool(LoginSession.objects.filter(pk=session.pk, ended_at=None).update(ended_at=Now()))


def end_logins(*, user: User) -> None:
    """End every login of the person, in API and admin: tokens and sessions are void from the next request."""
    LoginSession.objects.filter(user=user).delete()
    User.objects.filter(pk=user.pk).update(login_version=F("login_version") + 1)
    user.refresh_from_db(fields=["login_version"])


def record_refused(*, email: str, actor: Actor, action: str = "login.refused") -> None:
    """Write a refused login into the audit; of somebody's account, into that of the one organization they belong to.

    What was typed and is no address is left out: it may be a password.
    """
    audit.record(
        actor=Actor(label=email[:254] if _is_address(email) else actor.label, address=actor.address),
        action=action,
        object_type="user",
        organization_id=audit.organization_of_account(User.objects.normalize_email(email)),
    )


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def forget_expired() -> int:
    """Remove logins that ended or expired more than a month ago, old sessions and attempts; return how many logins went."""
    month = timedelta(days=30)
    LoginThrottle.forget()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return LoginSession.objects.filter(expires_at__lt=Now() - month).delete()[0]
