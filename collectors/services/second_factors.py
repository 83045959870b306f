"""Second factors: set up, asked for, lost. Codes are TOTP (RFC 6238): six digits, 30 seconds, SHA-1 as every app has it."""

import hmac
import time
from collections.abc import Mapping
from typing import Any, Final

import pyotp
from django.db import transaction
from django.db.models import Exists, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import recovery_codes
from collectors.domain.actors import Actor
from collectors.models import Organization, SecondFactor, User
from collectors.services import audit, encryption, login_throttles, logins
from collectors.services.errors import Conflict, Refused, SecondFactorNeeded

# What a session holds once the second factor was proven in it.
SESSION_KEY: Final = "second_factor"
ISSUER: Final = "DBPower"
_STEP_SECONDS: Final = 30
# A code is good one step before and after its own (RFC 6238 5.2), for clocks and for slow fingers.
_STEPS_AROUND: Final = 1


def is_on(user: User) -> bool:
    """Tell whether the person has a second factor."""
    return SecondFactor.objects.filter(user=user).exclude(confirmed_at=None).exists()


def is_required(user: User) -> bool:
    """Tell whether an organization of the person asks for one; of a SUPER_ADMIN, who sees them all, any organization does."""
    return _asking(user).exists()


def is_satisfied(user: User, session: Mapping[str, Any]) -> bool:
    """Tell whether a session, in which the password was proven, is enough for the person. Costs one query at most."""
    if session.get(SESSION_KEY):
        return True
    has_one = Q(second_factor__confirmed_at__isnull=False)
    return not User.objects.filter(has_one | Q(Exists(_asking(user))), pk=user.pk).exists()


def require(*, user: User, code: str, actor: Actor) -> None:
    """Ask somebody whose password was right for the code of the second factor.

    Raises `SecondFactorNeeded` when it is missing, wrong or not set up though it must be; `TooManyAttempts`.
    """
    if is_on(user):
        if not code:
            message = "This account has a second factor: send its code too."
            raise SecondFactorNeeded(message, code="second_factor_required")
        if not check_code(user=user, code=code, actor=actor):
            raise SecondFactorNeeded("The code is not right.", code="second_factor_wrong")
    elif is_required(user):
        message = "Your organization asks for a second factor. Sign in to the console and set one up."
        raise SecondFactorNeeded(message, code="second_factor_missing")


@transaction.atomic
def begin(*, user: User) -> None:
    """Make a secret for a new authenticator app, in the place of one that was never confirmed. Raises `Conflict`."""
    if SecondFactor.objects.select_for_update().filter(user=user).exclude(confirmed_at=None).exists():
        raise Conflict(_("There is a second factor already."), code="exists")
    sealed = encryption.seal({"user_id": user.pk, "secret": pyotp.random_base32()})
    SecondFactor.objects.update_or_create(user=user, defaults={"secret": sealed, "last_step": 0})


def unconfirmed_secret(*, user: User) -> str | None:
    """Return the secret, in base 32, that waits for its first code; None when there is none that does."""
    row = SecondFactor.objects.filter(user=user, confirmed_at=None).first()
    return _secret(row) if row is not None else None


def address_of(*, user: User, secret: str) -> str:
    """Return the `otpauth://` address that an authenticator app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)


def confirm(*, user: User, code: str, actor: Actor) -> list[str] | None:
    """Switch the second factor on with its first code; return the recovery codes, or None when the code is wrong.

    Every login that was opened without it ends. Raises `TooManyAttempts`.
    """
    _admit(user, actor)
    with transaction.atomic():
        row = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at=None).first()
        if row is None or not _use_totp(row, code):
            return None
        codes = _give_recovery_codes(row)
        row.confirmed_at = Now()
        row.save(update_fields=["confirmed_at"])
        logins.end_logins(user=user)
        audit.record(actor=actor, action="second_factor.enable", row=user, organization_id=None)
    _take_back(user, actor)
    return codes


def check_code(*, user: User, code: str, actor: Actor) -> bool:
    """Tell whether that is a code of the app, or a recovery code, that was not used yet; it is used up. Raises `TooManyAttempts`."""
    _admit(user, actor)
    if not _use(user, code, actor):
        logins.record_refused(email=user.email, actor=actor, action="second_factor.refused")
        return False
    _take_back(user, actor)
    return True


@transaction.atomic
def renew_recovery_codes(*, user: User, actor: Actor) -> list[str]:
    """Return new recovery codes; the ones before are void."""
    row = SecondFactor.objects.select_for_update().get(user=user, confirmed_at__isnull=False)
    audit.record(actor=actor, action="second_factor.renew_recovery_codes", row=user, organization_id=None)
    return _give_recovery_codes(row)


@transaction.atomic
def disable(*, user: User, actor: Actor) -> None:
    """Take one's own second factor away. Raises `Refused` when an organization asks for one."""
    if is_required(user):
        raise Refused(_("Your organization asks for a second factor."), code="second_factor_required")
    reset(user=user, actor=actor)


@transaction.atomic
def reset(*, user: User, actor: Actor) -> bool:
    """Take somebody's second factor away, who lost it; every login ends. Return whether there was one."""
    removed, _by_table = SecondFactor.objects.filter(user=user).delete()
    if removed:
        logins.end_logins(user=user)
        audit.record(actor=actor, action="second_factor.remove", row=user, organization_id=None)
    return bool(removed)


def end_logins_without(*, organization: Organization) -> None:
    """End the logins of members who have no second factor, now that the organization asks for one."""
    for user in User.objects.filter(memberships__organization=organization).distinct():
        if not is_on(user):
            logins.end_logins(user=user)


def _asking(user: User) -> QuerySet[Organization]:
    asking = Organization.objects.filter(second_factor_required=True)
    return asking if user.is_superuser else asking.filter(memberships__user=user)


@transaction.atomic
def _use(user: User, code: str, actor: Actor) -> bool:
    row = SecondFactor.objects.select_for_update().filter(user=user).exclude(confirmed_at=None).first()
    if row is None:
        return False
    if _use_totp(row, code):
        return True
    digest = recovery_codes.digest_of(code)
    if digest not in row.recovery_hashes:
        return False
    row.recovery_hashes.remove(digest)
    row.save(update_fields=["recovery_hashes"])
    audit.record(
        actor=actor,
        action="second_factor.use_recovery_code",
        row=user,
        organization_id=None,
        after={"left": len(row.recovery_hashes)},
    )
    return True


def _use_totp(row: SecondFactor, code: str) -> bool:
    """Use a code of the app up, with the row locked: an older one, or the same again, is not good any more."""
    totp = pyotp.TOTP(_secret(row))
    plain = "".join(code.split()).encode()
    now = int(time.time()) // _STEP_SECONDS
    for step in range(now - _STEPS_AROUND, now + _STEPS_AROUND + 1):
        if step > row.last_step and hmac.compare_digest(totp.generate_otp(step).encode(), plain):
            row.last_step = step
            row.save(update_fields=["last_step"])
            return True
    return False


def _give_recovery_codes(row: SecondFactor) -> list[str]:
    codes = recovery_codes.generate_codes()
    row.recovery_hashes = [recovery_codes.digest_of(code) for code in codes]
    row.save(update_fields=["recovery_hashes"])
    return codes


def _secret(row: SecondFactor) -> str:
    content = encryption.unseal(row.secret)
    if content is None or content.get("user_id") != row.user_id:
        raise Refused(_("No encryption key opens the stored second factor."), code="second_factor_unreadable")
    secret: str = content["secret"]
    return secret


def _admit(user: User, actor: Actor) -> None:
    login_throttles.admit(account=_account(user), address=actor.address)


def _take_back(user: User, actor: Actor) -> None:
    login_throttles.take_back(account=_account(user), address=actor.address)


def _account(user: User) -> str:
    # A count of its own, that a right password does not set back. No address that somebody types can be the same.
    return f"\0second factor {user.pk}"
