"""Attempts to sign in: counted by account and network, the same for everybody who counts."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.models import LoginThrottle
from collectors.services import login_throttles, logins
from collectors.services.errors import TooManyAttempts
from tests.threads import at_once

pytestmark = pytest.mark.django_db
ALICE = "alice@example.org"
HERE = "192.0.2.1"
PAIR = limits.LOGIN_ATTEMPTS_PER_PAIR


def attempts(many: int, email: str = ALICE, address: str = HERE) -> int:
    """Try so many times; return how many were admitted."""
    admitted = 0
    for _ in range(many):
        try:
            login_throttles.admit(account=email, address=address)
            admitted += 1
        except TooManyAttempts:
            pass
    return admitted


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the limits of whole networks and accounts small enough to reach them quickly."""
    monkeypatch.setitem(login_throttles._LIMITS, "network", PAIR + 5)
    monkeypatch.setitem(login_throttles._LIMITS, "account", PAIR + 5)


def test_an_account_is_tried_from_one_network_only_so_often() -> None:
    assert attempts(PAIR + 5) == PAIR
    assert attempts(1, email=" ALICE@Example.org ") == 0


def test_one_network_cannot_close_an_account_to_others(few: None) -> None:
    attempts(50)
    assert attempts(1, address="198.51.100.1") == 1


def test_a_network_is_limited_at_all_accounts_together(few: None) -> None:
    assert sum(attempts(2, email=f"person{n}@example.org") for n in range(20)) == PAIR + 5
    assert attempts(1, email="person99@example.org") == 0
    assert attempts(1, email="person99@example.org", address="198.51.100.1") == 1


def test_an_account_is_limited_from_all_networks_together_but_not_where_its_owner_signs_in(few: None) -> None:
    login_throttles.admit(account=ALICE, address=HERE)
    login_throttles.take_back(account=ALICE, address=HERE)
    assert sum(attempts(1, address=f"198.51.100.{n}") for n in range(60)) == PAIR + 5
    assert attempts(1, address="203.0.113.1") == 0
    assert attempts(PAIR + 5) == PAIR, "the known network has its own limit still"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", True),
        ("2001:db8:1:2::1", "2001:db8:2:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "not an address", True),
    ],
)
def test_a_network_is_what_one_subscriber_holds(one: str, other: str, same: bool) -> None:
    attempts(PAIR, address=one)
    assert attempts(1, address=other) == (0 if same else 1)


def test_a_subscriber_with_a_whole_48_neither_closes_an_account_nor_tries_all_accounts(few: None) -> None:
    assert sum(attempts(PAIR, address=f"2001:db8:0:{n:x}::1") for n in range(10)) == PAIR
    assert attempts(1, address="198.51.100.1") == 1


def test_a_subscriber_with_a_whole_48_is_limited_at_all_accounts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(login_throttles._LIMITS, "site", PAIR + 5)
    tried = [attempts(1, email=f"person{n}@example.org", address=f"2001:db8:0:{n:x}::1") for n in range(PAIR + 9)]
    assert sum(tried) == PAIR + 5


def test_neighbours_in_a_48_lock_nobody_out_where_they_sign_in() -> None:
    login_throttles.admit(account=ALICE, address="2001:db8:0:1::1")
    login_throttles.take_back(account=ALICE, address="2001:db8:0:1::1")
    attempts(PAIR, address="2001:db8:0:2::1")
    assert attempts(1, address="2001:db8:0:3::1") == 0
    assert attempts(1, address="2001:db8:0:1::1") == 1


def test_an_account_is_tried_only_so_often_in_a_day_but_where_its_owner_signed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(login_throttles._LIMITS, "day", 5)
    login_throttles.admit(account=ALICE, address=HERE, daily=True)
    login_throttles.take_back(account=ALICE, address=HERE, daily=True)
    for number in range(5):
        login_throttles.admit(account=ALICE, address=f"198.51.100.{number}", daily=True)
    with pytest.raises(TooManyAttempts) as refused:
        login_throttles.admit(account=ALICE, address="198.51.100.9", daily=True)
    assert 86_000 < refused.value.retry_after_seconds <= 86_400
    login_throttles.admit(account=ALICE, address=HERE, daily=True)


def test_attempts_that_are_not_admitted_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(login_throttles._LIMITS, "network", 3)
    attempts(3)
    before = list(LoginThrottle.objects.order_by("pk").values())
    assert sum(attempts(1, email=f"person{n}@example.org") for n in range(20)) == 0
    assert list(LoginThrottle.objects.order_by("pk").values()) == before


def test_a_good_attempt_is_taken_back() -> None:
    for _ in range(3 * PAIR):
        login_throttles.admit(account=ALICE, address=HERE)
        login_throttles.take_back(account=ALICE, address=HERE)
    assert attempts(PAIR + 1) == PAIR


def test_a_window_ends_and_refused_attempts_do_not_prolong_it() -> None:
    attempts(PAIR)
    LoginThrottle.objects.update(ends_at=Now() + timedelta(seconds=90))
    with pytest.raises(TooManyAttempts) as refused:
        login_throttles.admit(account=ALICE, address=HERE)
    assert 80 <= refused.value.retry_after_seconds <= 90
    assert "2 minutes" in str(refused.value)
    attempts(5)
    LoginThrottle.objects.update(ends_at=Now())
    assert attempts(PAIR + 5) == PAIR


def test_what_somebody_typed_as_an_address_is_not_stored() -> None:
    attempts(1, email="oops my password")
    stored = str(list(LoginThrottle.objects.values()))
    assert "password" not in stored
    assert HERE not in stored


def test_old_counts_are_forgotten_but_not_known_networks() -> None:
    login_throttles.admit(account=ALICE, address=HERE)
    login_throttles.take_back(account=ALICE, address=HERE)
    attempts(1, email="other@example.org", address="198.51.100.1")
    LoginThrottle.objects.update(ends_at=Now() - timedelta(days=1))
    logins.forget_expired()
    (left,) = LoginThrottle.objects.all()
    assert left.known_until is not None


@pytest.mark.django_db(transaction=True)
def test_whoever_comes_back_as_old_counts_are_removed_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts(1)
    LoginThrottle.objects.update(ends_at=Now() - timedelta(days=1))
    making, removals = LoginThrottle.objects.bulk_create, [LoginThrottle.forget]

    def made(*args: Any, **options: Any) -> Any:
        rows = making(*args, **options)
        if removals:
            removals.pop()()
        return rows

    monkeypatch.setattr(LoginThrottle.objects, "bulk_create", made)
    login_throttles.admit(account=ALICE, address=HERE)
    assert set(LoginThrottle.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_are_counted_like_attempts_one_after_the_other() -> None:
    tries = [partial(login_throttles.admit, account=ALICE, address=HERE) for _ in range(PAIR + 6)]
    results = at_once(*tries)
    assert sum(result is None for result in results) == PAIR
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 6


@pytest.mark.django_db(transaction=True)
def test_attempts_that_share_an_account_or_a_network_never_wait_for_each_other_in_a_circle() -> None:
    people = [f"person{n}@example.org" for n in range(4)]
    networks = [f"192.0.2.{n}" for n in range(4)]
    tries = [partial(attempts, 3, email=email, address=address) for email in people for address in networks]
    assert at_once(*tries) == [3] * 16
