"""Personal tokens: kept as hashes, limited to their scopes, and ended."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.personal_tokens import SCOPES, TokenScope, digest_of, generate_token, permitted_by
from collectors.domain.roles import OWN, Permission
from collectors.models import AuditEntry, PersonalToken, User
from collectors.services import people
from collectors.services.errors import Refused
from collectors.services.personal_tokens import Created, create_token, revoke_token, user_of
from tests.cast import SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def made(user: User, *scopes: TokenScope) -> Created:
    return create_token(user=user, name="script", scopes=scopes or [TokenScope.READ], days=30, actor=SOMEBODY)


def works(created: Created) -> bool:
    return user_of(created.token, address="192.0.2.1") is not None


def test_only_its_hash_is_stored_and_the_audit_names_it_without_it(cast: Cast) -> None:
    created = made(cast.bob)
    row = PersonalToken.objects.get()
    assert row.token_hash == digest_of(created.token)
    stored = str([list(model.objects.values()) for model in (PersonalToken, AuditEntry)])
    assert created.token.removeprefix("dbp_") not in stored
    entry = AuditEntry.objects.get(action="token.create")
    assert entry.after == {"name": "script", "scopes": ["read"], "days": 30}


def test_tokens_are_random_and_anything_else_is_none() -> None:
    tokens = {generate_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(digest_of(token) for token in tokens)
    for text in ("", "dbp_", "dbp_short", generate_token() + "x", " " + generate_token(), "dbp_" + "\xe9" * 43):
        assert digest_of(text) is None


def test_a_token_is_good_until_it_is_revoked_or_expires_or_the_person_is_out(cast: Cast) -> None:
    first, second = made(cast.bob), made(cast.bob)
    assert works(first)
    revoke_token(token=first.row, actor=SOMEBODY)
    assert not works(first)
    PersonalToken.objects.filter(pk=second.row.pk).update(expires_at=Now())
    assert not works(second)
    third = made(cast.bob)
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)
    assert not works(third)


def test_revoking_twice_is_one_act(cast: Cast) -> None:
    created = made(cast.bob)
    for _ in range(2):
        revoke_token(token=created.row, actor=SOMEBODY)
    assert AuditEntry.objects.filter(action="token.revoke").count() == 1


@pytest.mark.parametrize(
    ("changes", "still_good"),
    [({"password": "quite another phrase"}, False), ({"is_active": False}, False), ({"name": "Bob"}, True)],
)
def test_a_token_ends_with_the_account_or_the_password(
    changes: dict[str, object], still_good: bool, cast: Cast
) -> None:
    created = made(cast.bob)
    people.change_user(user=cast.bob, changes=dict(changes), actor=SOMEBODY)
    User.objects.filter(pk=cast.bob.pk).update(is_active=True)
    assert works(created) is still_good


def test_a_token_ends_with_a_new_password_of_ones_own(cast: Cast) -> None:
    created = made(cast.bob)
    own = Actor(label="x", user_id=cast.bob.pk)
    people.change_own_password(user=cast.bob, password="quite another phrase", actor=own)
    assert not works(created)


def test_its_use_is_recorded_at_most_once_a_minute(cast: Cast) -> None:
    created = made(cast.bob)
    user_of(created.token, address="192.0.2.1")
    first = PersonalToken.objects.get()
    user_of(created.token, address="192.0.2.2")
    assert PersonalToken.objects.get().last_used_at == first.last_used_at
    assert PersonalToken.objects.get().last_used_address == "192.0.2.1"
    PersonalToken.objects.update(last_used_at=Now() - timedelta(seconds=limits.TOKEN_USE_RECORDED_SECONDS + 1))
    user_of(created.token, address="192.0.2.2")
    assert PersonalToken.objects.get().last_used_address == "192.0.2.2"


def test_a_person_has_so_many_tokens_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TOKENS", 2)
    first = made(cast.bob)
    made(cast.bob)
    with pytest.raises(Refused):
        made(cast.bob)
    revoke_token(token=first.row, actor=SOMEBODY)
    made(cast.bob)
    made(cast.carol)


def test_no_scope_permits_what_makes_another_credential_of_a_person() -> None:
    everything = frozenset().union(*SCOPES.values())
    assert everything == frozenset(Permission) - OWN - {
        Permission.USER_MANAGE,
        Permission.MEMBERSHIP_GIVE,
        Permission.COLLECTOR_KEY,
        Permission.ORGANIZATION_POLICY,
    }


def test_scopes_add_up_and_an_unknown_one_permits_nothing() -> None:
    assert permitted_by([]) == frozenset()
    assert permitted_by(["read", "of former times"]) == SCOPES[TokenScope.READ]
    assert permitted_by(["read", "command"]) == SCOPES[TokenScope.READ] | SCOPES[TokenScope.COMMAND]
