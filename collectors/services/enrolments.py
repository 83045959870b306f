"""Hosts that make themselves collectors with a token, in two steps that can each be repeated.

First a host gets a collector, by a request id of its own choice: the same id again is the same collector. Then it makes its
key, keeps it, and sends the hash. So the key never travels, and whatever dies or is lost, a host has one collector, and one
use of the token is counted.
"""

from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from collectors.domain import enrolment_tokens
from collectors.domain.actors import Actor
from collectors.domain.sources import Engine
from collectors.models import Collector, Enrolment, EnrolmentToken, Team
from collectors.services import audit
from collectors.services.collectors import create_collector
from collectors.services.errors import Conflict


class Created(NamedTuple):
    """A new token's row, and the token itself, which nothing else holds."""

    row: EnrolmentToken
    token: str

    def __repr__(self) -> str:
        """Leave the token out: what is shown of an object may end in a log."""
        return f"{type(self).__name__}({self[0]!r})"


class EnrolmentRefused(Exception):
    """The token is unknown, expired, revoked or used up: nobody is told which."""


@transaction.atomic
def create_token(*, team: Team, name: str, engine: Engine, max_uses: int, lifetime: timedelta, actor: Actor) -> Created:
    """Make a token for the team, good for `max_uses` hosts."""
    token = enrolment_tokens.generate_token()
    row = EnrolmentToken.objects.create(
        organization_id=team.organization_id,
        team=team,
        name=name,
        type=engine,
        token_hash=enrolment_tokens.digest_of(token),
        max_uses=max_uses,
        created_by_id=actor.user_id,
        expires_at=Now() + lifetime,
    )
    audit.record(
        actor=actor,
        action="enrolment_token.create",
        row=row,
        organization_id=team.organization_id,
        after={
            "name": name,
            "team_id": team.pk,
            "type": engine,
            "max_uses": max_uses,
            "lifetime_seconds": int(lifetime.total_seconds()),
        },
    )
    row.refresh_from_db()
    return Created(row, token)


@transaction.atomic
def revoke_token(*, token: EnrolmentToken, actor: Actor) -> None:
    """End a token. Collectors that it made stay; hosts that have not told their key yet get no further."""
    if EnrolmentToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
        audit.record(actor=actor, action="enrolment_token.revoke", row=token, organization_id=token.organization_id)


@transaction.atomic
def enrol(*, token: str, request_id: str, name: str, address: str) -> Collector:
    """Return the collector of the request, made now unless the same request made it before. Raises `EnrolmentRefused`."""
    row = _locked(token)
    known = Enrolment.objects.filter(token=row, request_id=request_id).select_related("collector").first()
    if known is not None:
        return known.collector
    used = EnrolmentToken.objects.filter(pk=row.pk, uses__lt=F("max_uses"), expires_at__gt=Now())
    if not used.update(uses=F("uses") + 1):
        raise EnrolmentRefused
    actor = Actor(label=f"enrolment token {row.name}"[:254], address=address)
    collector = create_collector(team=row.team, name=name, engine=Engine(row.type), actor=actor)
    Enrolment.objects.create(token=row, request_id=request_id, collector=collector)
    return collector


@transaction.atomic
def take_first_key(*, token: str, request_id: str, digest: str) -> Collector:
    """Take the hash of the key that the host made; return its collector. The same again changes nothing.

    Raises `EnrolmentRefused`, and `Conflict` when the collector has another key by now.
    """
    row = _locked(token)
    known = Enrolment.objects.filter(token=row, request_id=request_id).first()
    if known is None:
        raise EnrolmentRefused
    collector = Collector.objects.select_for_update().get(pk=known.collector_id)
    if collector.api_key_hash == digest:
        return collector
    if collector.api_key_hash or collector.api_key_proven_at is not None:
        raise Conflict("The collector has a key already.", code="has_key")
    Collector.objects.filter(pk=collector.pk).update(api_key_hash=digest, api_key_created_at=Now())
    return collector


def _locked(token: str) -> EnrolmentToken:
    digest = enrolment_tokens.digest_of(token)
    row = EnrolmentToken.objects.select_for_update().filter(token_hash=digest, revoked_at=None).first()
    if row is None:
        raise EnrolmentRefused
    return row
