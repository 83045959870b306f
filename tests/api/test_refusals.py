"""What the API refuses is in the audit: whose administrators learn of it, how often, and nothing that was sent."""

from typing import Any

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from collectors.domain import limits
from collectors.domain.keys import generate_key
from collectors.domain.personal_tokens import PREFIX, TokenScope
from collectors.domain.roles import Role
from collectors.models import AuditEntry, Membership, PersonalToken
from collectors.services import personal_tokens
from tests.api.callers import ANYBODY, bearer, content_of, signed_in, tokens, with_key
from tests.api.test_auth import altered
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def refusals() -> list[dict[str, Any]]:
    rows = AuditEntry.objects.filter(action="access.refused").order_by("pk")
    return [dict(row) for row in rows.values("organization_id", "object_type", "object_id", "object_label", "after")]


def test_an_object_of_others_and_one_that_is_absent_are_written_alike(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    for number in (cast.foreign_collector.pk, 999_999):
        assert alice.get(f"collectors/{number}").status_code == 404
        assert alice.patch(f"collectors/{number}", {"name": "x"}).status_code == 404
    found = refusals()
    assert len(found) == 4
    for row in found:
        assert (row["organization_id"], row["object_type"], row["object_id"], row["object_label"]) == (
            cast.example.pk,
            "",
            None,
            "",
        )
        assert row["after"]["reason"] == "not_found"
    assert content_of(signed_in(cast.mallory).get("audit?action=access.refused"))["count"] == 0


def test_of_somebody_in_two_organizations_neither_learns_what_was_not_its_own(cast: Cast) -> None:
    Membership.objects.create(user=cast.bob, organization=cast.sample, role=Role.ORG_ADMIN)
    bob = signed_in(cast.bob)
    assert bob.get("collectors/999999").status_code == 404
    assert bob.patch(f"collectors/{cast.warehouse_collector.pk}", {"name": "x"}).status_code == 404
    assert [row["organization_id"] for row in refusals()] == [None, None]


def test_what_a_rule_forbids_is_written(cast: Cast) -> None:
    membership = Membership.objects.get(user=cast.alice)
    root = signed_in(cast.root)
    assert root.delete(f"memberships/{membership.pk}").status_code == 400
    assert root.patch(f"collectors/{cast.collector.pk}", {"organization_id": 1, "name": "canary"}).status_code == 400
    found = [row["after"] for row in refusals()]
    assert [row["reason"] for row in found] == ["last_admin", "not_settable"]
    assert "canary" not in str(found)


def test_what_is_only_wrong_or_no_object_is_no_refusal(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    assert alice.get("collectors?page=999").status_code == 404
    assert alice.get(f"collectors/{cast.collector.pk}/commands?page=999").status_code == 404
    assert alice.patch(f"collectors/{cast.collector.pk}", {"name": ""}).status_code == 400
    assert alice.get("nothing-like-that").status_code == 404
    assert refusals() == []


def refused_tokens() -> list[tuple[int | None, int | None]]:
    rows = AuditEntry.objects.filter(action="token.refused").order_by("pk")
    assert all(row.user_id is None for row in rows)
    return list(rows.values_list("organization_id", "object_id"))


def test_tokens_that_are_not_good_are_written_once_a_network_and_minute(cast: Cast) -> None:
    good = tokens(cast.bob)["access"]
    for bad in (
        "nonsense",
        altered(good, key="x" * 40),
        "dbp_" + "x" * 40,
        f"{PREFIX}x",
    ):
        for _ in range(3):
            assert bearer(bad).get("collectors").status_code == 401
    assert refused_tokens() == [(None, None)]
    assert "nonsense" not in str(list(AuditEntry.objects.values_list("after", flat=True)))


def test_a_token_that_was_ended_is_written_for_the_organization_of_its_owner(cast: Cast) -> None:
    pair = tokens(cast.bob)
    made = personal_tokens.create_token(user=cast.dave, name="script", scopes=[TokenScope.READ], days=1, actor=SOMEBODY)
    personal_tokens.revoke_token(token=made.row, actor=SOMEBODY)
    assert bearer(pair["access"]).post("auth/logout", {}).status_code == 204
    for token in (pair["access"], made.token) * 2:
        assert bearer(token).get("collectors").status_code == 401
    assert refused_tokens() == [(cast.example.pk, cast.bob.pk), (cast.example.pk, cast.dave.pk)]


def test_a_token_that_merely_ran_out_is_not(cast: Cast) -> None:
    expired = altered(tokens(cast.bob)["access"], exp=1)
    made = personal_tokens.create_token(user=cast.dave, name="s", scopes=[TokenScope.READ], days=1, actor=SOMEBODY)
    PersonalToken.objects.update(expires_at="2020-01-01T00:00:00Z")
    for token in (expired, made.token):
        answer = bearer(token).get("collectors")
        assert (answer.status_code, content_of(answer)["code"]) == (401, "token_not_valid")
    assert refused_tokens() == []


def test_a_refresh_token_that_is_none_is_written(cast: Cast) -> None:
    assert ANYBODY.post("auth/token/refresh", {"refresh": str(AccessToken())}).status_code == 401
    assert refused_tokens() == [(None, None)]


def test_void_invitations_are_written_once_a_network_and_minute(cast: Cast) -> None:
    for token in ("a", "b", "c"):
        answer = ANYBODY.post("invitations/accept", {"token": token, "password": PASSWORD})
        assert content_of(answer)["code"] == "invitation_void"
    entry = AuditEntry.objects.get(action="invitation.refused")
    assert (entry.actor, entry.address) == ("anonymous", "127.0.0.1")


def test_too_many_attempts_to_sign_in_are_written_once_a_network_and_minute(cast: Cast) -> None:
    for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR + 5):
        answer = ANYBODY.post("auth/token", {"email": cast.bob.email, "password": "wrong"})
    assert answer.status_code == 429
    assert AuditEntry.objects.filter(action="login.throttled").count() == 1
    assert AuditEntry.objects.filter(action="login.refused", organization=cast.example).exists()


def test_signing_in_and_out_are_written_with_the_address_and_refreshing_is_not(cast: Cast) -> None:
    pair = content_of(ANYBODY.post("auth/token", {"email": cast.bob.email, "password": PASSWORD}))
    pair = content_of(ANYBODY.post("auth/token/refresh", {"refresh": pair["refresh"]}))
    assert bearer(pair["access"]).post("auth/logout", {}).status_code == 204
    rows = AuditEntry.objects.filter(action__startswith="login.").order_by("pk")
    assert [(row.action, row.user_id, row.address) for row in rows] == [
        ("login.open", cast.bob.pk, "127.0.0.1"),
        ("login.end", cast.bob.pk, "127.0.0.1"),
    ]


def test_a_wrong_key_is_told_to_the_organization_of_the_collector_that_the_address_names(cast: Cast) -> None:
    wrong = with_key(generate_key(cast.collector.pk))
    assert wrong.post(f"collectors/{cast.collector.pk}/heartbeat", {}).status_code == 401
    assert AuditEntry.objects.get(action="key.refused").organization_id == cast.example.pk
    nowhere = wrong.post("collectors/999999/heartbeat", {}, REMOTE_ADDR="192.0.2.77")
    assert nowhere.status_code == 401
    assert AuditEntry.objects.filter(action="key.refused", organization=None).count() == 1
