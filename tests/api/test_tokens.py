"""Personal tokens in the API: never more than the person, never more than the scopes."""

import re
from typing import Any

import pytest
from django.db.models import QuerySet

from collectors.domain import limits
from collectors.domain.personal_tokens import TokenScope
from collectors.models import (
    AuditEntry,
    Collector,
    EnrolmentToken,
    Invitation,
    LoginSession,
    Membership,
    Organization,
    PersonalToken,
    SecondFactor,
    User,
)
from collectors.services import people
from collectors.services.personal_tokens import create_token
from tests.access.rows import undone
from tests.api.callers import ANYBODY, Caller, bearer, content_of, is_error, signed_in
from tests.api.routes import ROUTES, Route, things
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db
# What makes or changes a credential, or lets somebody in: a token is not enough. Its own list alone is answered, empty.
BY_LOGIN = {
    "GET tokens",
    "POST tokens",
    "GET tokens/{id}",
    "DELETE tokens/{id}",
    "POST users",
    "PATCH users/{id}",
    "POST users/me/password",
    "POST invitations",
    "POST memberships",
    "PATCH memberships/{id}",
    "POST collectors/register",
    "POST collectors/{id}/rotate-key",
    "POST enrolment-tokens",
}
COMMANDS = {
    "POST collectors/{id}/start",
    "POST collectors/{id}/stop",
    "POST collectors/{id}/collect",
    "POST collectors/{collector_pk}/commands/{id}/cancel",
}


def script(user: User, *scopes: TokenScope) -> Caller:
    """Return the caller with a personal token."""
    return bearer(create_token(user=user, name="script", scopes=scopes, days=1, actor=SOMEBODY).token)


def answers(caller: Caller, cast: Cast, routes: list[Route]) -> dict[str, int]:
    """Return what each route answers; what it changes is undone."""
    prepared = things(cast)
    found = {}
    for route in routes:
        with undone():
            body = route.body(prepared) if route.body else None
            found[str(route)] = caller.send(route.method, route.path(prepared.ids), body).status_code
    return found


PEOPLES = [route for route in ROUTES if not route.for_agents and not route.template.startswith("auth/")]


@pytest.mark.parametrize("who", ["root", "alice", "bob", "carol"])
def test_a_token_with_every_scope_does_what_its_person_does_but_for_credentials(who: str, cast: Cast) -> None:
    routes = [route for route in PEOPLES if str(route) not in BY_LOGIN]
    person = getattr(cast, who)
    assert answers(script(person, *TokenScope), cast, routes) == answers(signed_in(person), cast, routes)


def test_no_token_makes_or_changes_a_credential(cast: Cast) -> None:
    caller = script(cast.root, *TokenScope)
    prepared, found = things(cast), {}
    before = credentials()
    for route in PEOPLES:
        with undone():
            body = route.body(prepared) if route.body else None
            answer = caller.send(route.method, route.path(prepared.ids), body)
            found[str(route)] = answer.status_code
            assert credentials() <= before, route
            assert not re.search(r"(dbp|enroll|collector_[0-9]+)_[\w-]{43}|/invitation/", answer.content.decode()), (
                route
            )
    assert {name for name, status in found.items() if status in (403, 404)} == BY_LOGIN - {"GET tokens"}
    assert {found[name] for name in BY_LOGIN} == {200, 403, 404}
    assert content_of(caller.get("tokens"))["count"] == 0


def credentials() -> set[tuple[object, ...]]:
    """Return everything that opens something, or says what it takes to."""
    columns: list[tuple[Any, list[str]]] = [
        (User, ["pk", "email", "password", "is_active", "is_superuser"]),
        (Membership, ["user_id", "organization_id", "team_id", "role"]),
        (Invitation.objects.open(), ["token_hash"]),
        (EnrolmentToken.objects.filter(revoked_at=None), ["token_hash", "max_uses", "expires_at"]),
        (PersonalToken.objects.filter(revoked_at=None), ["token_hash", "scopes", "expires_at"]),
        (LoginSession, ["pk"]),
        (SecondFactor, ["pk", "secret", "confirmed_at"]),
        (Collector.objects.exclude(api_key_hash=""), ["pk", "api_key_hash"]),
        (Collector.objects.exclude(previous_key_hash=""), ["pk", "previous_key_hash"]),
    ]
    found = set()
    for source, names in columns:
        rows = source if isinstance(source, QuerySet) else source._default_manager.all()
        found |= {(rows.model.__name__, *names, *map(str, row)) for row in rows.values_list(*names)}
    return found


def test_a_token_takes_roles_away_and_lowers_them_but_raises_none(cast: Cast) -> None:
    caller = script(cast.alice, TokenScope.PEOPLE)
    bob, carol = (Membership.objects.get(user=user) for user in (cast.bob, cast.carol))
    assert caller.patch(f"memberships/{carol.pk}", {"role": "TEAM_LEAD"}).status_code == 403
    assert caller.patch(f"memberships/{bob.pk}", {"role": "USER"}).status_code == 200
    assert caller.delete(f"memberships/{carol.pk}").status_code == 204


@pytest.mark.parametrize(
    "body", [{"second_factor_required": False}, {"history_retention_days": 1}, {"slow_query_retention_days": None}]
)
def test_a_token_loosens_nothing_that_an_organization_asks_for_or_keeps(body: dict[str, Any], cast: Cast) -> None:
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)
    path = f"organizations/{cast.example.pk}"
    for who in (cast.alice, cast.root):
        caller = script(who, *TokenScope)
        assert caller.patch(path, {"name": "Another", **body}).status_code == 403
        assert caller.patch(path, {"name": "Another"}).status_code == 200
    assert script(cast.root, *TokenScope).post("organizations", {"name": "New", **body}).status_code == 403
    assert Organization.objects.get(pk=cast.example.pk).second_factor_required


def test_a_token_asks_agents_for_new_keys_and_makes_none(cast: Cast) -> None:
    caller = script(cast.bob, TokenScope.COLLECTORS)
    path = f"collectors/{cast.collector.pk}/rotate-key"
    assert (caller.post(path).status_code, caller.post(path, {"by": "hand"}).status_code) == (403, 403)
    assert caller.post(path, {"by": "agent"}).status_code == 202


@pytest.mark.parametrize(("scope", "allowed"), [(TokenScope.READ, set()), (TokenScope.COMMAND, COMMANDS)])
@pytest.mark.parametrize("who", ["root", "bob"])
def test_a_token_changes_only_what_its_scope_permits(
    who: str, scope: TokenScope, allowed: set[str], cast: Cast
) -> None:
    routes = [route for route in PEOPLES if route.method != "GET"]
    found = answers(script(getattr(cast, who), scope), cast, routes)
    assert {name for name, status in found.items() if status < 400} == allowed


def test_a_token_that_commands_does_not_read_queries_or_the_audit(cast: Cast) -> None:
    prepared = things(cast)
    caller = script(cast.root, TokenScope.COMMAND)
    assert content_of(caller.get("collectors"))["count"] == 3
    for path in ("audit", "users", "slow-queries", "memberships", "organizations"):
        assert content_of(caller.get(path))["count"] == 0, path
    assert content_of(caller.get("queries"))["count"] == 0
    assert caller.get(f"slow-queries/{prepared.ids['slow-queries']}").status_code == 404


def test_a_role_that_is_taken_away_is_taken_from_the_token_too(cast: Cast) -> None:
    caller = script(cast.bob, *TokenScope)
    assert caller.get(f"collectors/{cast.collector.pk}").status_code == 200
    Membership.objects.filter(user=cast.bob).delete()
    assert caller.get(f"collectors/{cast.collector.pk}").status_code == 404


def created(cast: Cast, **body: Any) -> Any:
    return signed_in(cast.bob).post(
        "tokens", {"name": "nightly", "scopes": ["read"], "current_password": PASSWORD, **body}
    )


def test_a_token_takes_the_present_password_and_guesses_are_counted(cast: Cast) -> None:
    wrong = created(cast, current_password="wrong")
    assert (wrong.status_code, list(content_of(wrong)["errors"])) == (400, ["current_password"])
    bob = signed_in(cast.bob)
    assert bob.post("tokens", {"name": "x", "scopes": ["read"]}).status_code == 400
    body = {"name": "x", "scopes": ["read"], "current_password": "wrong"}
    codes = [bob.post("tokens", body).status_code for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR + 1)]
    assert (set(codes[:-1]), codes[-1]) == ({400}, 429)
    assert bob.post("tokens", {**body, "current_password": PASSWORD}).status_code == 429
    assert not PersonalToken.objects.exists()


def test_a_token_is_in_the_answer_that_made_it_and_nowhere_else(cast: Cast) -> None:
    answer = created(cast, expires_in_days=7)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    token = content_of(answer)["token"]
    caller = signed_in(cast.bob)
    assert token not in caller.get("tokens").content.decode()
    assert token not in caller.get(f"tokens/{content_of(answer)['id']}").content.decode()
    assert bearer(token).get("teams").status_code == 200
    assert LoginSession.objects.count() == 2, "a token is no login"


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": "read"},
        {"name": ""},
        {"expires_in_days": 0},
        {"expires_in_days": 367},
        {"expires_in_days": None},
        {"user_id": 1},
        {"token": "dbp_own"},
    ],
)
def test_a_token_that_cannot_be_is_refused(body: dict[str, Any], cast: Cast) -> None:
    answer = created(cast, **body)
    assert (answer.status_code, is_error(answer)) == (400, True)
    assert not PersonalToken.objects.exists()


def test_a_token_that_is_none_is_401_whatever_is_wrong_with_it(cast: Cast) -> None:
    made = created(cast)
    good = content_of(made)["token"]
    signed_in(cast.bob).delete(f"tokens/{content_of(made)['id']}")
    found = [bearer(token).get("teams") for token in (good, "dbp_" + "x" * 43, "dbp_", "dbp_\xff", "dbp_" + "y" * 9000)]
    assert {(answer.status_code, answer.content) for answer in found} == {(401, found[0].content)}
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in found)


def test_a_token_neither_logs_out_nor_refreshes_nor_plays_an_agent(cast: Cast) -> None:
    token = content_of(created(cast))["token"]
    assert bearer(token).post("auth/logout", {}).status_code == 401
    assert ANYBODY.post("auth/token/refresh", {"refresh": token}).status_code == 401
    assert bearer(token).post(f"collectors/{cast.collector.pk}/heartbeat", {}).status_code == 401


def test_what_a_token_does_is_in_the_audit_under_its_person(cast: Cast) -> None:
    caller = script(cast.bob, TokenScope.COLLECTORS)
    caller.patch(f"collectors/{cast.collector.pk}", {"name": "renamed"})
    entry = AuditEntry.objects.get(action="collector.change")
    assert entry.user_id == cast.bob.pk
