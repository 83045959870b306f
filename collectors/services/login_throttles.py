"""How often anybody may try to sign in: by account, by network, and by account from a network.

An attempt is counted before the password is looked at, under a lock, so that guesses sent at once to several processes are
counted like guesses one after the other. One network has used up its attempts at an account long before the account itself
is closed to others: nobody locks somebody else out. When guesses come from very many networks, those from which the person
signed in lately stay open.

A network is an IPv4 address or an IPv6 /64. Since one subscriber may hold a whole /48, all of it together is limited like one
network too, but not where the person signed in lately: in another /48, neighbours share it.
"""

import ipaddress
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from collectors.domain import limits
from collectors.models import LoginThrottle, User
from collectors.services.errors import TooManyAttempts

_WINDOW: Final = timedelta(seconds=limits.LOGIN_WINDOW_SECONDS)
_DAY: Final = timedelta(days=1)
_KNOWN: Final = timedelta(days=limits.LOGIN_NETWORK_KNOWN_DAYS)
_IPV6_NETWORK_BITS: Final = 64
_IPV6_SITE_BITS: Final = 48
_LIMITS: Final = {
    "pair": limits.LOGIN_ATTEMPTS_PER_PAIR,
    "network": limits.LOGIN_ATTEMPTS_PER_NETWORK,
    "site_pair": limits.LOGIN_ATTEMPTS_PER_PAIR,
    "site": limits.LOGIN_ATTEMPTS_PER_NETWORK,
    "account": limits.LOGIN_ATTEMPTS_PER_ACCOUNT,
    "day": limits.SECOND_FACTOR_ATTEMPTS_PER_DAY,
}
# What does not hold in a network from which the account signed in lately: strangers could use it up.
_NOT_WHERE_KNOWN: Final = {"site_pair", "site", "account", "day"}


def admit(*, account: str, address: str, daily: bool = False) -> None:
    """Count an attempt to sign in. Raises `TooManyAttempts` when there were too many already; that one is not counted.

    `daily` limits what is tried at the account in a day too, from wherever.
    """
    keys = _keys(account, address, daily=daily)
    # Looked at before anything is written: whoever goes on trying makes no rows.
    wait = _wait(_stored(keys)) or _count(keys)
    if wait is not None:
        raise TooManyAttempts(retry_after_seconds=max(1, math.ceil(wait.total_seconds())))


@transaction.atomic
def take_back(*, account: str, address: str, daily: bool = False) -> None:
    """Take an attempt back that was a good one, and remember that the account signs in from that network."""
    keys = _keys(account, address, daily=daily)
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
    wait = _wait(rows)
    if wait is not None:
        return wait
    for kind, row in rows.items():
        if row.ends_at <= now:
            row.attempts, row.ends_at = 0, now + (_DAY if kind == "day" else _WINDOW)
        row.attempts += 1
        row.save(update_fields=["attempts", "ends_at"])
    return None


def _wait(rows: Mapping[str, Any]) -> timedelta | None:
    """Return for how long one of the counts is still used up; None when none is."""
    known_until = rows["pair"].known_until if "pair" in rows else None
    waits = [
        row.ends_at - row.now
        for kind, row in rows.items()
        if row.ends_at > row.now
        and row.attempts >= _LIMITS[kind]
        and not (kind in _NOT_WHERE_KNOWN and known_until is not None and known_until > row.now)
    ]
    return max(waits, default=None)


def _locked(keys: Mapping[str, str]) -> tuple[dict[str, Any], datetime]:
    """Return the counts by kind, made where there are none yet and locked until the transaction ends, and the database's time."""
    in_order = sorted(keys.values())  # So that two transactions never wait for each other.
    rows: dict[str, Any] = {}
    # What was there and said nothing any more may be removed before it is locked: then it is made anew.
    while len(rows) < len(keys):
        missing: list[Any] = [LoginThrottle(key=key, ends_at=Now()) for key in in_order]
        LoginThrottle.objects.bulk_create(missing, ignore_conflicts=True)
        rows = _stored(keys, LoginThrottle.objects.select_for_update())
    return rows, rows["pair"].now


def _stored(keys: Mapping[str, str], counts: QuerySet[LoginThrottle] | None = None) -> dict[str, Any]:
    """Return the counts by kind, as far as there are any, each with the database's time."""
    counts = LoginThrottle.objects.all() if counts is None else counts
    rows = {row.key: row for row in counts.filter(key__in=keys.values()).order_by("key").annotate(now=Now())}
    return {kind: rows[key] for kind, key in keys.items() if key in rows}


def _keys(account: str, address: str, *, daily: bool) -> dict[str, str]:
    account, network, site = User.objects.normalize_email(account), network_of(address), _site_of(address)
    named = {"pair": f"{network} {account}", "network": network, "account": account}
    if site:
        named |= {"site_pair": f"{site} {account}", "site": site}
    if daily:
        named["day"] = account
    return {
        kind: salted_hmac(f"dbpower.login.{kind}", text, algorithm="sha256").hexdigest() for kind, text in named.items()
    }


def network_of(address: str) -> str:
    """Return what one host may speak from: an IPv4 address, or an IPv6 /64, out of which anybody has addresses without end."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))
    return str(parsed)


def _site_of(address: str) -> str:
    """Return the most of IPv6 that one subscriber is usually given; nothing for IPv4."""
    network = network_of(address)
    return str(ipaddress.ip_network(network).supernet(new_prefix=_IPV6_SITE_BITS)) if ":" in network else ""
