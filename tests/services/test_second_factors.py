"""Second factors: codes that are good once, recovery codes, and what happens to logins."""

from datetime import timedelta
from functools import partial

import pytest
from cryptography.fernet import Fernet
from django.db.models.functions import Now
from pytest_django import Settings

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.models import AuditEntry, LoginThrottle, SecondFactor
from collectors.services import people, reencryption, second_factors
from collectors.services.errors import Conflict, Refused, TooManyAttempts
from tests.authenticator import Authenticator, with_second_factor
from tests.cast import SOMEBODY, Cast
from tests.services.test_logins import log_in
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def good(cast: Cast, code: str) -> bool:
    return second_factors.check_code(user=cast.bob, code=code, actor=SOMEBODY)


def test_a_code_is_good_once(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    code = app.code(1)
    assert good(cast, f" {code[:3]} {code[3:]} ")
    assert not good(cast, code)
    assert not good(cast, app.code()), "an older one than the last is not good either"


def test_codes_of_other_times_and_other_texts_are_none(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    for code in (app.code(-3), app.code(3), "", "000000", "12345", "x" * 40, "-"):
        assert not good(cast, code), code


def test_it_counts_only_once_a_code_has_confirmed_it(cast: Cast) -> None:
    second_factors.begin(user=cast.bob, actor=SOMEBODY)
    assert not second_factors.is_on(cast.bob)
    first = second_factors.unconfirmed_secret(user=cast.bob)
    assert second_factors.confirm(user=cast.bob, code="000000", actor=SOMEBODY) is None
    second_factors.begin(user=cast.bob, actor=SOMEBODY)
    secret = second_factors.unconfirmed_secret(user=cast.bob)
    assert secret is not None
    assert secret != first
    assert second_factors.confirm(user=cast.bob, code=Authenticator(secret).code(), actor=SOMEBODY)
    assert second_factors.is_on(cast.bob)
    with pytest.raises(Conflict):
        second_factors.begin(user=cast.bob, actor=SOMEBODY)


def test_each_recovery_code_opens_the_account_once(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    assert len(set(app.recovery_codes)) == 10
    first, second, third = app.recovery_codes[:3]
    assert good(cast, first)
    assert not good(cast, first)
    assert good(cast, second.upper().replace("-", " "))
    renewed = second_factors.renew_recovery_codes(user=cast.bob, actor=SOMEBODY)
    assert not good(cast, third)
    assert good(cast, renewed[0])
    entry = AuditEntry.objects.filter(action="second_factor.use_recovery_code").latest("pk")
    assert entry.after == {"left": 9}


def test_nothing_of_it_is_stored_in_the_clear(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    stored = str(list(SecondFactor.objects.values())) + str(list(AuditEntry.objects.values()))
    for secret in (app.secret, *app.recovery_codes):
        assert secret not in stored
        assert secret.replace("-", "") not in stored


def test_a_secret_that_was_moved_to_another_person_does_not_open(cast: Cast) -> None:
    with_second_factor(cast.bob)
    app = with_second_factor(cast.carol)
    SecondFactor.objects.filter(user=cast.bob).update(secret=SecondFactor.objects.get(user=cast.carol).secret)
    assert not good(cast, app.code(1))


def test_where_no_key_opens_it_recovery_codes_still_do_and_an_unconfirmed_one_is_none(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    second_factors.begin(user=cast.carol, actor=SOMEBODY)
    SecondFactor.objects.update(secret="garbage")
    assert not good(cast, app.code(1))
    assert good(cast, app.recovery_codes[0])
    assert second_factors.is_on(cast.bob)
    assert second_factors.unconfirmed_secret(user=cast.carol) is None
    assert second_factors.confirm(user=cast.carol, code="000000", actor=SOMEBODY) is None
    second_factors.begin(user=cast.carol, actor=SOMEBODY)
    assert second_factors.unconfirmed_secret(user=cast.carol)


def test_it_is_re_encrypted_with_the_rest(cast: Cast, settings: Settings) -> None:
    app = with_second_factor(cast.bob)
    new = Fernet.generate_key().decode()
    settings.DBPOWER_ENCRYPTION_KEYS = [new, *settings.DBPOWER_ENCRYPTION_KEYS]
    assert list(reencryption.reencrypt_all())[-1].changed == 4
    settings.DBPOWER_ENCRYPTION_KEYS = [new]
    assert good(cast, app.code(1))


def test_guesses_are_counted_and_a_right_password_does_not_set_the_count_back(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR):
        assert not good(cast, "000000")
    with pytest.raises(TooManyAttempts):
        good(cast, app.code(1))
    assert AuditEntry.objects.filter(action="second_factor.refused").count() == limits.LOGIN_ATTEMPTS_PER_PAIR


def test_guesses_from_many_networks_end_for_the_day_but_not_where_the_person_signed_in(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    here = Actor(label="bob@example.org", address="192.0.2.1")
    assert second_factors.check_code(user=cast.bob, code=app.recovery_codes[0], actor=here)
    many = [Actor(label="x", address=f"198.51.100.{n}") for n in range(limits.SECOND_FACTOR_ATTEMPTS_PER_DAY)]
    assert not any(second_factors.check_code(user=cast.bob, code="000000", actor=actor) for actor in many)
    LoginThrottle.objects.filter(ends_at__lt=Now() + timedelta(hours=1)).update(ends_at=Now())
    with pytest.raises(TooManyAttempts):
        second_factors.check_code(user=cast.bob, code="000000", actor=Actor(label="x", address="203.0.113.1"))
    assert second_factors.check_code(user=cast.bob, code=app.recovery_codes[1], actor=here)


def test_switching_it_on_or_off_ends_every_login(cast: Cast) -> None:
    log_in(cast.bob)
    before = cast.bob.get_session_auth_hash()
    with_second_factor(cast.bob)
    assert not cast.bob.login_sessions.exists()
    between = cast.bob.get_session_auth_hash()
    second_factors.disable(user=cast.bob, actor=SOMEBODY)
    assert len({before, between, cast.bob.get_session_auth_hash()}) == 3
    assert not second_factors.is_on(cast.bob)


def ask_for_it(cast: Cast) -> None:
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)


def test_an_organization_asks_its_members_and_those_who_administer_all(cast: Cast) -> None:
    assert not second_factors.is_required(cast.bob)
    ask_for_it(cast)
    required = {person.email: second_factors.is_required(person) for person in (cast.bob, cast.root, cast.mallory)}
    assert required == {"bob@example.org": True, "root@example.org": True, "mallory@example.net": False}


def test_asking_for_it_ends_the_logins_of_those_who_have_none(cast: Cast) -> None:
    with_second_factor(cast.bob)
    for person in (cast.bob, cast.carol, cast.mallory):
        log_in(person)
    ask_for_it(cast)
    left = {person.email: person.login_sessions.count() for person in (cast.bob, cast.carol, cast.mallory)}
    assert left == {"bob@example.org": 1, "carol@example.org": 0, "mallory@example.net": 1}


def test_who_joins_an_organization_that_asks_for_it_signs_in_anew(cast: Cast) -> None:
    ask_for_it(cast)
    log_in(cast.mallory)
    people.add_membership(organization=cast.example, team=cast.shop, role=Role.USER, user=cast.mallory, actor=SOMEBODY)
    assert not cast.mallory.login_sessions.exists()


def test_it_cannot_be_switched_off_where_it_is_asked_for_but_reset_it_can(cast: Cast) -> None:
    with_second_factor(cast.bob)
    ask_for_it(cast)
    with pytest.raises(Refused):
        second_factors.disable(user=cast.bob, actor=SOMEBODY)
    assert second_factors.reset(user=cast.bob, actor=SOMEBODY)
    assert not second_factors.reset(user=cast.bob, actor=SOMEBODY)


@pytest.mark.django_db(transaction=True)
def test_the_same_code_sent_twice_at_once_is_good_once(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    for code in (app.code(1), app.recovery_codes[0]):
        assert sorted(map(str, at_once(*[partial(good, cast, code)] * 4))) == ["False", "False", "False", "True"]
