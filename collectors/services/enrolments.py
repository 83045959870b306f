"""Hosts that make themselves collectors with a token, in two steps that can each be repeated.

First a host gets a collector, by a request id of its own choice: the same id again is the same collector. Then it makes its
key, keeps it, and sends the hash. So the key never travels, and whatever dies or is lost, a host has one collector, and one
use of the token is counted. The second step is taken once, within a day of the first, and never after somebody decided about
the collector's keys otherwise: what was revoked, only a key made by hand revives.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from collectors.domain import enrolment_tokens, limits
from collectors.domain.actors import Actor
from collectors.domain.sources import Engine
from collectors.models import Collector, Enrolment, EnrolmentToken, Team
from collectors.services import audit, labels
from collectors.services.collectors import create_collector
from collectors.services.errors import Conflict, EnrolmentRefused

_FIRST_KEY_AFTER_AT_MOST: Final = timedelta(hours=limits.FIRST_KEY_HOURS)


class Created(NamedTuple):
    """A new token's row, and the token itself, which nothing else holds."""

    row: EnrolmentToken
    token: str

    def __repr__(self) -> str:
        """Leave the token out: what is shown of an object may end in a log."""
        return f"{type(self).__name__}({self[0]!r})"


@transaction.atomic
def create_token(
    *,
    team: Team,
    name: str,
    engine: Engine,
    max_uses: int,
    lifetime: timedelta,
    actor: Actor,
    region: str = "",
    tags: Sequence[str] = (),
) -> Created:
    """Make a token for the team, good for `max_uses` hosts, whose collectors begin with these labels.

    Raises `Refused`, which names the label at fault.
    """
    place, words = labels.written(region=region, tags=tags)
    given = {name: value for name, value in (("region", place), ("tags", words)) if value}
    token = enrolment_tokens.generate_token()
    row = EnrolmentToken.objects.create(
        organization_id=team.organization_id,
        team=team,
        name=name,
        type=engine,
        **given,
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
            **given,
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
    """Return the collector of the request, made now unless the same request made it before.

    Raises `EnrolmentRefused`, and `Conflict` when the request's collector was removed since.
    """
    row = _locked(token)
    known = Enrolment.objects.filter(token=row, request_id=request_id).select_related("collector").first()
    if known is not None:
        return _collector_of(known)
    used = EnrolmentToken.objects.filter(pk=row.pk, uses__lt=F("max_uses"), expires_at__gt=Now())
    if not used.update(uses=F("uses") + 1):
        raise EnrolmentRefused
    collector = create_collector(
        team=row.team,
        name=name,
        engine=Engine(row.type),
        actor=_actor(row, address),
        region=row.region,
        tags=row.tags,
    )
    Collector.objects.filter(pk=collector.pk).update(first_key_until=Now() + _FIRST_KEY_AFTER_AT_MOST)
    Enrolment.objects.create(token=row, request_id=request_id, collector=collector)
    return collector


@transaction.atomic
def take_first_key(*, token: str, request_id: str, digest: str, address: str = "") -> Collector:
    """Take the hash of the key that the host made; return its collector. The same again changes nothing.

    Raises `EnrolmentRefused`, and `Conflict` when the collector was removed, when somebody else decided about its keys by
    now, or when the host took too long.
    """
    row = _locked(token)
    known = Enrolment.objects.filter(token=row, request_id=request_id).first()
    if known is None:
        raise EnrolmentRefused
    found = _collector_of(known)
    collector = Collector.objects.select_for_update().get(pk=found.pk)
    if collector.api_key_hash == digest:
        return collector
    if collector.first_key_until is None:
        raise Conflict("The collector has, or had, another key.", code="has_key")
    in_time = Collector.objects.filter(pk=collector.pk, first_key_until__gt=Now())
    if not in_time.update(api_key_hash=digest, api_key_created_at=Now(), first_key_until=None):
        raise Conflict(f"The key came more than {limits.FIRST_KEY_HOURS} hours after the collector.", code="too_late")
    audit.record(
        actor=_actor(row, address),
        action="collector.first_key",
        row=collector,
        organization_id=collector.organization_id,
        after={"made_by": "agent"},
    )
    return collector


def _collector_of(enrolment: Enrolment) -> Collector:
    if enrolment.collector is None:
        raise Conflict("The collector of this request was removed.", code="removed")
    return enrolment.collector


def _actor(token: EnrolmentToken, address: str) -> Actor:
    return Actor(label=f"enrolment token {token.name}"[:254], address=address)


def _locked(token: str) -> EnrolmentToken:
    digest = enrolment_tokens.digest_of(token)
    row = EnrolmentToken.objects.select_for_update().filter(token_hash=digest, revoked_at=None).first()
    if row is None:
        raise EnrolmentRefused
    return row
