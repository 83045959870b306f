"""The second factor in the API: asked for after the password, and not to be gone around."""

import pytest
from django.test import Client

from collectors.domain.personal_tokens import TokenScope
from collectors.models import AuditEntry, Organization, User
from collectors.services import people
from collectors.services.personal_tokens import create_token
from tests.api.callers import ANYBODY, bearer, content_of, is_error, signed_in, tokens
from tests.authenticator import with_second_factor
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def log_in(user: User, **body: object) -> tuple[int, str]:
    answer = ANYBODY.post("auth/token", {"email": user.email, "password": PASSWORD, **body})
    assert answer.status_code == 200 or is_error(answer)
    content = content_of(answer)
    return answer.status_code, content.get("code", "")


def test_an_account_that_has_one_gets_tokens_for_password_and_code_alone(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    assert log_in(cast.bob) == (401, "second_factor_required")
    assert log_in(cast.bob, code="000000") == (401, "second_factor_wrong")
    code = app.code(1)
    assert log_in(cast.bob, code=code) == (200, "")
    assert log_in(cast.bob, code=code) == (401, "second_factor_wrong")
    assert log_in(cast.bob, code=app.recovery_codes[0]) == (200, "")


def test_a_wrong_password_says_nothing_of_the_second_factor(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    for body in ({}, {"code": app.code(1)}):
        assert log_in(cast.bob, password="wrong", **body) == (401, "no_active_account")


def test_codes_are_not_guessed_for_long(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    codes = [log_in(cast.bob, code="000000")[0] for _ in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert log_in(cast.bob, code=app.code(1)) == (429, "throttled")


def test_an_organization_that_asks_for_one_lets_nobody_in_without(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    body = {"second_factor_required": True}
    answer = signed_in(cast.alice).patch(f"organizations/{cast.example.pk}", body)
    assert content_of(answer)["second_factor_required"] is True
    assert bob.get("teams").status_code == 401
    assert log_in(cast.bob) == (401, "second_factor_missing")
    assert log_in(cast.mallory) == (200, "")
    app = with_second_factor(cast.bob)
    assert log_in(cast.bob, code=app.code(1)) == (200, "")
    entry = AuditEntry.objects.get(action="organization.change")
    assert (entry.before, entry.after) == ({"second_factor_required": False}, body)


@pytest.mark.parametrize("how", ["changed", "created", "stored"])
def test_super_admins_login_without_one_ends_once_any_organization_asks(how: str, cast: Cast) -> None:
    pair = tokens(cast.root)
    if how == "changed":
        people.change_organization(organization=cast.sample, actor=SOMEBODY, second_factor_required=True)
    elif how == "created":
        people.create_organization(name="New", actor=SOMEBODY, second_factor_required=True)
    else:
        Organization.objects.filter(pk=cast.sample.pk).update(second_factor_required=True)
    assert bearer(pair["access"]).get("users").status_code == 401
    assert ANYBODY.post("auth/token/refresh", {"refresh": pair["refresh"]}).status_code == 401
    assert bool(cast.root.login_sessions.exists()) == (how == "stored")


def test_a_login_with_the_second_factor_goes_on_when_an_organization_asks(cast: Cast) -> None:
    app = with_second_factor(cast.bob)
    body = {"email": cast.bob.email, "password": PASSWORD, "code": app.code(1)}
    pair = content_of(ANYBODY.post("auth/token", body))
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)
    assert bearer(pair["access"]).get("teams").status_code == 200
    assert ANYBODY.post("auth/token/refresh", {"refresh": pair["refresh"]}).status_code == 200


def test_a_script_goes_on_with_its_token(cast: Cast) -> None:
    token = create_token(user=cast.bob, name="x", scopes=[TokenScope.READ], days=1, actor=SOMEBODY).token
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)
    assert bearer(token).get("teams").status_code == 200


def test_a_session_in_which_only_the_password_was_proven_opens_no_api(cast: Cast) -> None:
    with_second_factor(cast.bob)
    client = Client()
    client.post("/admin/login/", {"username": cast.bob.email, "password": PASSWORD})
    assert client.get("/api/v1/teams").status_code == 401
    assert client.get("/health").status_code == 401


@pytest.mark.parametrize("code", [None, 123456, ["1"], "x" * 41])
def test_a_code_that_is_no_text_is_a_bad_request(code: object, cast: Cast) -> None:
    status = log_in(cast.bob, code=code)[0]
    assert status == (200 if code == 123456 else 400)
