"""Tokens of people for scripts: made and shown once, used, revoked."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import limits, personal_tokens
from collectors.domain.actors import Actor
from collectors.domain.personal_tokens import TokenScope
from collectors.models import PersonalToken, User
from collectors.services import audit
from collectors.services.errors import Refused

_RECORD_USE_EVERY: Final = timedelta(seconds=limits.TOKEN_USE_RECORDED_SECONDS)


class Created(NamedTuple):
    """A new token's row, and the token itself, which nothing else holds."""

    row: PersonalToken
    token: str


@transaction.atomic
def create_token(*, user: User, name: str, scopes: Iterable[TokenScope], days: int, actor: Actor) -> Created:
    """Make a token of the person that is good for so many days. Raises `Refused` when the person has too many."""
    User.objects.select_for_update().get(pk=user.pk)
    if PersonalToken.objects.filter(user=user, revoked_at=None, expires_at__gt=Now()).count() >= limits.MAX_TOKENS:
        raise Refused(
            _("You have %(count)d tokens. Revoke one first.") % {"count": limits.MAX_TOKENS}, code="too_many_tokens"
        )
    token = personal_tokens.generate_token()
    row = PersonalToken.objects.create(
        user=user,
        name=name,
        token_hash=personal_tokens.digest_of(token) or "",
        scopes=sorted({scope.value for scope in scopes}),
        expires_at=Now() + timedelta(days=days),
    )
    audit.record(
        actor=actor,
        action="token.create",
        row=row,
        organization_id=None,
        after={"name": name, "scopes": row.scopes, "days": days},
    )
    row.refresh_from_db()
    return Created(row, token)


@transaction.atomic
def revoke_token(*, token: PersonalToken, actor: Actor) -> None:
    """End a token from the next request on. One that has ended stays as it is."""
    if PersonalToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
        audit.record(actor=actor, action="token.revoke", row=token, organization_id=None)


def revoke_all(*, user: User) -> None:
    """End every token of a person; the caller writes the audit row."""
    PersonalToken.objects.filter(user=user, revoked_at=None).update(revoked_at=Now())


def user_of(token: str, *, address: str) -> User | None:
    """Return the active person whose token that is, limited to what the token permits; None when it is none that is good.

    The use is recorded at most once a minute.
    """
    digest = personal_tokens.digest_of(token)
    if digest is None:
        return None
    good = PersonalToken.objects.filter(token_hash=digest, revoked_at=None, expires_at__gt=Now(), user__is_active=True)
    row = good.select_related("user").first()
    if row is None:
        return None
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=Now() - _RECORD_USE_EVERY)
    PersonalToken.objects.filter(long_ago, pk=row.pk).update(last_used_at=Now(), last_used_address=address)
    row.user.limited_to = personal_tokens.permitted_by(row.scopes)
    return row.user
