"""How often anybody may try to sign in: by account, by network, and by account from a network.

An attempt is counted before the password is looked at, under a lock, so that guesses sent at once to several processes are
counted like guesses one after the other. One network has used up its attempts at an account long before the account itself
is closed to others: nobody locks somebody else out. When guesses come from very many networks, those from which the person
signed in lately stay open.
"""

import ipaddress
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from collectors.domain import limits
from collectors.models import LoginThrottle, User
from collectors.services.errors import TooManyAttempts

_WINDOW: Final = timedelta(seconds=limits.LOGIN_WINDOW_SECONDS)
_KNOWN: Final = timedelta(days=limits.LOGIN_NETWORK_KNOWN_DAYS)
_IPV6_NETWORK_BITS: Final = 64
_LIMITS: Final = {
    "pair": limits.LOGIN_ATTEMPTS_PER_PAIR,
    "network": limits.LOGIN_ATTEMPTS_PER_NETWORK,
    "account": limits.LOGIN_ATTEMPTS_PER_ACCOUNT,
}


def admit(*, account: str, address: str) -> None:
    """Count an attempt to sign in. Raises `TooManyAttempts` when there were too many already; that one is not counted."""
    wait = _count(_keys(account, address))
    if wait is not None:
        raise TooManyAttempts(retry_after_seconds=max(1, math.ceil(wait.total_seconds())))


@transaction.atomic
def take_back(*, account: str, address: str) -> None:
    """Take an attempt back that was a good one, and remember that the account signs in from that network."""
    keys = _keys(account, address)
    rows, now = _locked(keys)
    for kind, row in rows.items():
        row.attempts = max(0, row.attempts - 1)
        if kind == "pair":
            row.attempts = 0
            row.known_until = now + _KNOWN
        row.save(update_fields=["attempts", "known_until"])


@transaction.atomic
def _count(keys: Mapping[str, str]) -> timedelta | None:
    """Count an attempt under all keys and return None; or return for how long one of them is still used up."""
    rows, now = _locked(keys)
    pair = rows["pair"]
    is_known = pair.known_until is not None and pair.known_until > now
    waits = [
        row.ends_at - now
        for kind, row in rows.items()
        if row.ends_at > now and row.attempts >= _LIMITS[kind] and not (kind == "account" and is_known)
    ]
    if waits:
        return max(waits)
    for row in rows.values():
        if row.ends_at <= now:
            row.attempts, row.ends_at = 0, now + _WINDOW
        row.attempts += 1
        row.save(update_fields=["attempts", "ends_at"])
    return None


def _locked(keys: Mapping[str, str]) -> tuple[dict[str, LoginThrottle], datetime]:
    """Return the counts by kind, locked until the transaction ends, and the database's time."""
    in_order = sorted(keys.values())  # So that two transactions never wait for each other.
    missing: list[Any] = [LoginThrottle(key=key, ends_at=Now()) for key in in_order]
    LoginThrottle.objects.bulk_create(missing, ignore_conflicts=True)
    found = LoginThrottle.objects.select_for_update().filter(key__in=in_order).order_by("key").annotate(now=Now())
    rows = {row.key: row for row in found}
    return {kind: rows[key] for kind, key in keys.items()}, rows[in_order[0]].now


def _keys(account: str, address: str) -> dict[str, str]:
    account, network = User.objects.normalize_email(account), network_of(address)
    named = {"pair": f"{network} {account}", "network": network, "account": account}
    return {
        kind: salted_hmac(f"dbpower.login.{kind}", text, algorithm="sha256").hexdigest() for kind, text in named.items()
    }


def network_of(address: str) -> str:
    """Return what one subscriber holds: an IPv4 address, or an IPv6 network, out of which anybody has addresses without end."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))
    return str(parsed)
