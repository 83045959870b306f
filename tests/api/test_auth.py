"""Log in, carry on, log out; and every token that is none."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from collectors.domain import limits
from collectors.models import AuditEntry, LoginSession, Membership, User
from collectors.services import people
from tests.api.callers import ANYBODY, Caller, bearer, content_of, is_error, signed_in, tokens
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def works(access: str) -> bool:
    answer = bearer(access).get("teams")
    assert answer.status_code in (200, 401)
    assert answer.status_code == 200 or is_error(answer)
    return answer.status_code == 200


def refresh(token: str) -> Any:
    return ANYBODY.post("auth/token/refresh", {"refresh": token})


def test_tokens_are_not_kept_by_caches(cast: Cast) -> None:
    answer = ANYBODY.post("auth/token", {"email": "Bob@Example.org", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert set(content_of(answer)) == {"access", "refresh"}
    assert refresh(content_of(answer)["refresh"])["Cache-Control"] == "no-store"


def test_an_unknown_address_and_a_wrong_password_are_answered_alike(cast: Cast) -> None:
    User.objects.filter(pk=cast.dave.pk).update(is_active=False)
    answers = [
        ANYBODY.post("auth/token", {"email": email, "password": password})
        for email, password in (
            ("nobody@example.org", PASSWORD),
            ("bob@example.org", "wrong"),
            ("dave@example.org", PASSWORD),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert content_of(answers[0])["code"] == "no_active_account"
    assert AuditEntry.objects.filter(action="login.refused").count() == 3


def test_an_account_without_a_password_signs_nobody_in(cast: Cast) -> None:
    User.objects.create_user("new@example.org")
    for password in ("", "!", "None"):
        assert ANYBODY.post("auth/token", {"email": "new@example.org", "password": password}).status_code in (400, 401)


def test_logging_out_ends_both_tokens_and_no_other_login(cast: Cast) -> None:
    first, second = tokens(cast.bob), tokens(cast.bob)
    assert bearer(first["access"]).post("auth/logout", {}).status_code == 204
    assert not works(first["access"])
    assert refresh(first["refresh"]).status_code == 401
    assert works(second["access"])
    assert bearer(first["access"]).post("auth/logout", {}).status_code == 401


def test_logging_out_with_the_refresh_token_alone_or_beside_an_expired_one(cast: Cast) -> None:
    first = tokens(cast.bob)
    assert ANYBODY.post("auth/logout", {"refresh": first["refresh"]}).status_code == 204
    assert not works(first["access"])
    second = tokens(cast.bob)
    assert (
        bearer(altered(second["access"], exp=1)).post("auth/logout", {"refresh": second["refresh"]}).status_code == 204
    )
    assert not works(second["access"])


def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_login(cast: Cast) -> None:
    first = tokens(cast.bob)
    second = content_of(refresh(first["refresh"]))
    assert works(second["access"])
    assert works(first["access"])
    again = refresh(first["refresh"])
    assert (again.status_code, content_of(again)["code"]) == (401, "token_not_valid")
    assert not works(second["access"])
    assert refresh(second["refresh"]).status_code == 401


def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(cast: Cast) -> None:
    pair = tokens(cast.bob)
    assert not works(pair["refresh"])
    assert refresh(pair["access"]).status_code == 401
    assert works(pair["access"])


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def altered(token: str, key: str = "", **claims: Any) -> str:
    """Return the token with other claims, signed again."""
    content = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**content, **claims}, key or settings.SECRET_KEY, algorithm="HS256")


def test_a_token_that_was_tampered_with_is_none(cast: Cast) -> None:
    access = tokens(cast.bob)["access"]
    head, claims, signature = access.split(".")
    content = jwt.decode(access, options={"verify_signature": False})
    forged = part({**content, "user_id": cast.root.pk})
    wrong = {
        "no signature": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "none, signed": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.{signature}",
        "other claims": f"{head}.{forged}.{signature}",
        "another key": altered(access, key="x" * 50),
        "expired": altered(access, exp=int((timezone.now() - timedelta(seconds=1)).timestamp())),
        "somebody else": altered(access, user_id=cast.root.pk),
        "no login": altered(access, session_id=None),
        "a login that is none": altered(access, session_id=10**30),
        "login as a text": altered(access, session_id=str(content["session_id"])),
        "login as a truth": altered(access, session_id=True),
        "cut": access[:-2],
        "empty": "",
        "two parts": f"{head}.{claims}",
        "binary": f"{head}.{base64.urlsafe_b64encode(bytes(range(256))).decode()}.{signature}",
    }
    assert works(altered(access)), "the helper itself makes good tokens"
    assert {name: works(token) for name, token in wrong.items()} == dict.fromkeys(wrong, False)


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer a b", "Basic Ym9iOng=", "bearer\xff", "Bearer \xff\xfe", "Bearer " + "a" * 100_000],
)
def test_a_header_that_is_malformed_is_401(cast: Cast, header: str) -> None:
    for path in ("teams", "collectors/register"):
        answer = Caller({"Authorization": header}).send("GET" if path == "teams" else "POST", path)
        assert (answer.status_code, is_error(answer)) == (401, True)
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000])
def test_a_refresh_token_that_is_none_is_refused(cast: Cast, token: str) -> None:
    answer = refresh(token)
    assert (answer.status_code in (400, 401), is_error(answer)) == (True, True)


def test_an_account_that_is_switched_off_is_out_at_once(cast: Cast) -> None:
    pair = tokens(cast.bob)
    signed_in(cast.root).patch(f"users/{cast.bob.pk}", {"is_active": False})
    assert not works(pair["access"])
    assert refresh(pair["refresh"]).status_code == 401
    assert ANYBODY.post("auth/token", {"email": "bob@example.org", "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("by", ["bob", "root"])
def test_a_new_password_ends_every_login(cast: Cast, by: str) -> None:
    first, second = tokens(cast.bob), tokens(cast.bob)
    new = "quite another phrase"
    if by == "bob":
        body = {"current_password": PASSWORD, "password": new}
        assert bearer(first["access"]).post("users/me/password", body).status_code == 204
    else:
        assert signed_in(cast.root).patch(f"users/{cast.bob.pk}", {"password": new}).status_code == 200
    assert not works(first["access"])
    assert refresh(second["refresh"]).status_code == 401
    assert works(tokens(cast.bob, new)["access"])


def test_changing_ones_password_takes_the_present_one(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    answer = bob.post("users/me/password", {"current_password": "wrong", "password": "quite another phrase"})
    assert list(content_of(answer)["errors"]) == ["current_password"]
    answer = bob.post("users/me/password", {"current_password": PASSWORD, "password": "short"})
    assert list(content_of(answer)["errors"]) == ["password"]
    assert bob.get("teams").status_code == 200


def test_super_admin_with_a_stolen_token_changes_no_password_of_the_own_account(cast: Cast) -> None:
    answer = signed_in(cast.root).patch(f"users/{cast.root.pk}", {"password": "stolen and changed"})
    assert (answer.status_code, content_of(answer)["code"]) == (400, "own_password")
    assert User.objects.get(pk=cast.root.pk).check_password(PASSWORD)


def test_a_role_that_is_changed_or_taken_away_ends_every_login(cast: Cast) -> None:
    membership = Membership.objects.get(user=cast.bob)
    for change in (
        lambda: signed_in(cast.alice).patch(f"memberships/{membership.pk}", {"role": "USER"}),
        lambda: signed_in(cast.alice).delete(f"memberships/{membership.pk}"),
        lambda: people.change_user(user=cast.bob, changes={"is_superuser": True}, actor=SOMEBODY),
    ):
        pair = tokens(cast.bob)
        change()
        assert not works(pair["access"])
        assert refresh(pair["refresh"]).status_code == 401


def test_a_role_given_once_more_ends_nothing(cast: Cast) -> None:
    pair = tokens(cast.bob)
    membership = Membership.objects.get(user=cast.bob)
    signed_in(cast.alice).patch(f"memberships/{membership.pk}", {"role": "TEAM_LEAD"})
    assert works(pair["access"])


def test_a_password_that_is_changed_from_the_shell_ends_every_login_too(cast: Cast) -> None:
    pair = tokens(cast.bob)
    cast.bob.set_password("quite another phrase")
    cast.bob.save()
    assert not works(pair["access"])
    assert refresh(pair["refresh"]).status_code == 401


def attempt(email: str, password: str = "wrong", **extra: Any) -> Any:
    return ANYBODY.post("auth/token", {"email": email, "password": password}, **extra)


def test_after_too_many_attempts_the_right_password_has_to_wait_too(cast: Cast) -> None:
    answers = [attempt("bob@example.org").status_code for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR)]
    assert set(answers) == {401}
    answer = attempt("bob@example.org", PASSWORD)
    assert (answer.status_code, content_of(answer)["code"], is_error(answer)) == (429, "throttled", True)
    assert 0 < int(answer["Retry-After"]) <= limits.LOGIN_WINDOW_SECONDS
    assert attempt("alice@example.org", PASSWORD).status_code == 200
    assert attempt("bob@example.org", PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_an_unknown_address_is_throttled_like_a_known_one(cast: Cast) -> None:
    answers = {
        email: [attempt(email).content for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR + 2)]
        for email in ("bob@example.org", "nobody@example.org")
    }
    assert answers["bob@example.org"] == answers["nobody@example.org"]


def test_an_address_that_a_stranger_forwards_does_not_help(cast: Cast) -> None:
    codes = [
        attempt(
            "bob@example.org", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}", HTTP_FORWARDED=f"for=198.51.100.{n}"
        ).status_code
        for n in range(limits.LOGIN_ATTEMPTS_PER_PAIR + 1)
    ]
    assert codes[-1] == 429


def test_guessing_the_present_password_with_a_stolen_token_is_throttled(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    body = {"current_password": "wrong", "password": "quite another phrase"}
    codes = [bob.post("users/me/password", body).status_code for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR + 1)]
    assert (set(codes[:-1]), codes[-1]) == ({400}, 429)
    good = bob.post("users/me/password", {**body, "current_password": PASSWORD})
    assert good.status_code == 429


def test_a_login_that_expired_is_no_login(cast: Cast) -> None:
    pair = tokens(cast.bob)
    LoginSession.objects.update(expires_at=timezone.now())
    assert not works(pair["access"])
    assert refresh(pair["refresh"]).status_code == 401


def test_tokens_carry_no_secret_and_no_address(cast: Cast) -> None:
    claims = jwt.decode(tokens(cast.bob)["access"], options={"verify_signature": False})
    assert set(claims) == {"token_type", "exp", "iat", "jti", "user_id", "session_id"}
