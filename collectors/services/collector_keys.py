"""Collector keys: which are good, when they were used; those that agents make themselves, and those that end.

A rotation that the agent makes: somebody asks for it; the agent hears of it with its next heartbeat, makes a key, keeps it
beside the old one and sends its hash. From then on both are good. The first request with the new key proves that the agent
holds it, and only then the old one's grace begins. So the key never travels, and no crash leaves the agent without one.
From then on only the new key can bring in another one: whoever has an old one loses it with its grace.
"""

import contextlib
import hmac
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.keys import mark_of
from collectors.models import Collector, Heartbeat
from collectors.services import audit
from collectors.services.errors import Conflict, KeyRefused

_GRACE: Final = timedelta(seconds=limits.KEY_GRACE_SECONDS)
_RECORD_USE_EVERY: Final = timedelta(seconds=limits.KEY_USE_RECORDED_SECONDS)


def holder_of(*, collector_id: int, key_digest: str) -> Collector:
    """Return the collector, with its heartbeat, if the digest is of a key of it that is good now. Raises `KeyRefused`.

    A transaction that does something for an agent asks anew: its key may have been revoked while the request came in.
    """
    collector = Collector.objects.select_related("heartbeat").filter(pk=collector_id).first()
    if collector is None or not _is_good(collector, key_digest):
        raise KeyRefused
    return collector


def note_use(*, collector: Collector, key_digest: str, address: str) -> None:
    """Note that a key was used: once a minute, and whenever it comes from another address than the last time.

    `beat_sql` does the same for heartbeats. `collector` comes from `holder_of`.
    """
    mark = mark_of(key_digest)
    long_ago = Q(key_used_at__lt=Now() - _RECORD_USE_EVERY) | ~Q(key_address=address)
    rows = Heartbeat.objects.filter(pk=collector.pk)
    if collector.heartbeat.key_mark == mark:
        rows.filter(long_ago, key_mark=mark).update(key_used_at=Now(), key_address=address)
        return
    rows.exclude(key_mark=mark).update(
        other_key_mark=F("key_mark"),
        other_key_used_at=F("key_used_at"),
        other_key_address=F("key_address"),
        key_mark=mark,
        key_used_at=Now(),
        key_address=address,
    )


@transaction.atomic
def request_rotation(*, collector: Collector, actor: Actor) -> None:
    """Ask the agent to make a new key. Asking again while it has not done so changes nothing.

    Raises `Conflict` when the collector has no key: its agent could not be heard.
    """
    locked = Collector.objects.select_for_update().get(pk=collector.pk)
    if not locked.api_key_hash:
        raise Conflict(
            _("The collector has no key, so that its agent cannot be asked: make one by hand."), code="no_key"
        )
    if locked.key_rotation_requested_at is None:
        Collector.objects.filter(pk=locked.pk).update(key_rotation_requested_at=Now())
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
        # One that was removed or revoked meanwhile must not keep the others waiting.
        with contextlib.suppress(Collector.DoesNotExist, Conflict):
            request_rotation(collector=collector, actor=actor)
            asked += 1
    return asked


def take_new_key(*, collector: Collector, presented: str, digest: str, address: str = "") -> None:
    """Take the hash of the key that an agent made; `presented` is the hash of the one it signed in with.

    The same hash again changes nothing. Raises `KeyRefused` when the one presented has ended, and `Conflict` when it is not
    the present one though that is in use, when no rotation was asked for, or when the key is an old one.
    """
    actor = Actor(label=f"collector {collector.pk}", collector_id=collector.pk, address=address)
    try:
        _take_new_key(collector_id=collector.pk, presented=presented, digest=digest, actor=actor)
    except Conflict as conflict:
        if conflict.code == "old_key":
            audit.record_refused_act(actor=actor, action="collector.rotate_key_refused", row=collector)
        raise


@transaction.atomic
def _take_new_key(*, collector_id: int, presented: str, digest: str, actor: Actor) -> None:
    locked = Collector.objects.select_for_update().filter(pk=collector_id).first()
    if locked is None or not _is_good(locked, presented):
        raise KeyRefused
    if digest == locked.api_key_hash:
        return
    if locked.api_key_proven_at is not None and presented != locked.api_key_hash:
        raise Conflict("This key has been replaced: only the present one brings in another.", code="old_key")
    if locked.key_rotation_requested_at is None:
        raise Conflict("Nobody asked for a new key.", code="not_asked")
    if digest in (locked.previous_key_hash, presented):
        raise Conflict("This key was in use before.", code="key_used")
    Collector.objects.filter(pk=locked.pk).update(
        api_key_hash=digest,
        api_key_created_at=Now(),
        api_key_proven_at=None,
        previous_key_hash=presented,
        # An end that it has already stays: nobody prolongs an old key with itself.
        previous_key_expires_at=locked.previous_key_expires_at if presented == locked.previous_key_hash else None,
        key_rotation_requested_at=None,
    )
    audit.record(
        actor=actor,
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
        first_key_until=None,
    )
    audit.record(actor=actor, action="collector.revoke_key", row=collector, organization_id=collector.organization_id)
    collector.refresh_from_db()


def _is_good(collector: Collector, key_digest: str) -> bool:
    """Tell whether the digest is that of the collector's present key, or of its previous one before its end."""
    if not key_digest:
        # A revoked key has no hash.
        return False
    if hmac.compare_digest(collector.api_key_hash, key_digest):
        return True
    return hmac.compare_digest(collector.previous_key_hash, key_digest) and collector.previous_key_is_good()
