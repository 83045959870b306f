"""Collector keys that their agents change by themselves, and keys that end.

A rotation that the agent makes: somebody asks for it; the agent hears of it with its next heartbeat, makes a key, keeps it
beside the old one and sends its hash. From then on both are good. The first request with the new key proves that the agent
holds it, and only then the old one's grace begins. So the key never travels, and no crash leaves the agent without one.
"""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, When
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import Collector
from collectors.services import audit
from collectors.services.errors import Conflict

_GRACE: Final = timedelta(seconds=limits.KEY_GRACE_SECONDS)


@transaction.atomic
def request_rotation(*, collector: Collector, actor: Actor) -> None:
    """Ask the agent to make a new key. Asking again while it has not done so changes nothing."""
    asked = Collector.objects.filter(pk=collector.pk, key_rotation_requested_at=None).update(
        key_rotation_requested_at=Now()
    )
    if asked:
        audit.record(
            actor=actor,
            action="collector.request_key_rotation",
            row=collector,
            organization_id=collector.organization_id,
        )
    collector.refresh_from_db()


def request_old() -> int:
    """Ask every agent for a new key whose present one is older than DBPOWER_KEY_MAX_AGE_DAYS; return how many were asked."""
    days: int = settings.DBPOWER_KEY_MAX_AGE_DAYS
    if not days:
        return 0
    old = Collector.objects.filter(
        api_key_created_at__lt=Now() - timedelta(days=days), key_rotation_requested_at=None
    ).exclude(api_key_hash="")
    actor = Actor.system("the age limit of collector keys")
    asked = 0
    for collector in old.order_by("pk").iterator():
        request_rotation(collector=collector, actor=actor)
        asked += 1
    return asked


@transaction.atomic
def take_new_key(*, collector: Collector, presented: str, digest: str) -> None:
    """Take the hash of the key that an agent made; `presented` is the hash of the one it signed in with.

    The same hash again changes nothing. Raises `Conflict` when no rotation was asked for, or when the key is an old one.
    """
    locked = Collector.objects.select_for_update().get(pk=collector.pk)
    if digest == locked.api_key_hash:
        return
    if locked.key_rotation_requested_at is None:
        raise Conflict("Nobody asked for a new key.", code="not_asked")
    if digest in (locked.previous_key_hash, presented):
        raise Conflict("This key was in use before.", code="key_used")
    Collector.objects.filter(pk=locked.pk).update(
        api_key_hash=digest,
        api_key_created_at=Now(),
        api_key_proven_at=None,
        previous_key_hash=presented,
        previous_key_expires_at=None,
        key_rotation_requested_at=None,
    )
    audit.record(
        actor=Actor(label=f"collector {locked.pk}", collector_id=locked.pk),
        action="collector.rotate_key",
        row=locked,
        organization_id=locked.organization_id,
        after={"made_by": "agent"},
    )


@transaction.atomic
def prove(*, collector: Collector) -> None:
    """Note the first use of the present key; the grace of the one before begins, if it has not."""
    proven = Collector.objects.filter(
        pk=collector.pk, api_key_hash=collector.api_key_hash, api_key_proven_at=None
    ).update(
        api_key_proven_at=Now(),
        previous_key_expires_at=Case(
            When(previous_key_expires_at=None, then=Now() + _GRACE), default=F("previous_key_expires_at")
        ),
    )
    if proven and collector.previous_key_hash:
        audit.record(
            actor=Actor(label=f"collector {collector.pk}", collector_id=collector.pk),
            action="collector.prove_key",
            row=collector,
            organization_id=collector.organization_id,
        )


@transaction.atomic
def revoke(*, collector: Collector, actor: Actor) -> None:
    """End every key of the collector from the next request on, in every process. Only a new key by hand revives it."""
    Collector.objects.filter(pk=collector.pk).update(
        api_key_hash="",
        previous_key_hash="",
        previous_key_expires_at=None,
        key_rotation_requested_at=None,
    )
    audit.record(actor=actor, action="collector.revoke_key", row=collector, organization_id=collector.organization_id)
    collector.refresh_from_db()
