"""Keys that agents make: asked for, taken, proven; and keys that end."""

from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from collectors.domain import keys, limits
from collectors.domain.heartbeats import Report
from collectors.models import AuditEntry, Collector
from collectors.services import collector_keys, heartbeats
from collectors.services.collectors import rotate_key
from collectors.services.errors import Conflict
from tests.cast import SOMEBODY, Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db
STEADY = Report(instance="a" * 32, queries_collected=0, errors_count=0, auto_collect=True, address="192.0.2.9")


def fresh(cast: Cast) -> Collector:
    return Collector.objects.get(pk=cast.collector.pk)


def works(cast: Cast, key: str) -> bool:
    try:
        heartbeats.record(collector_id=cast.collector.pk, key_digest=keys.digest_of(key), report=STEADY)
    except heartbeats.KeyRefused:
        return False
    return True


def asked(cast: Cast, key: str) -> bool:
    answer = heartbeats.record(collector_id=cast.collector.pk, key_digest=keys.digest_of(key), report=STEADY)
    return answer.rotate_key


def tell(cast: Cast, old: str, new: str) -> None:
    collector_keys.take_new_key(collector=fresh(cast), presented=keys.digest_of(old), digest=keys.digest_of(new))


def agent_rotation(cast: Cast) -> str:
    """Ask for a rotation, and do the agent's part up to where both keys live; return the new key."""
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    new = keys.generate_key(cast.collector.pk)
    tell(cast, cast.key, new)
    return new


def later(**moved: timedelta) -> None:
    """Let time go by for the previous key."""
    for column, by in moved.items():
        row = Collector.objects.exclude(**{column: None}).get(previous_key_hash__gt="")
        Collector.objects.filter(pk=row.pk).update(**{column: getattr(row, column) - by})


def test_a_heartbeat_asks_for_a_new_key_from_the_request_until_it_is_taken(cast: Cast) -> None:
    assert not asked(cast, cast.key)
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    assert asked(cast, cast.key)
    assert AuditEntry.objects.filter(action="collector.request_key_rotation").count() == 1
    tell(cast, cast.key, keys.generate_key(cast.collector.pk))
    assert not asked(cast, cast.key)


def test_the_old_key_lives_until_the_new_one_is_proven_and_then_for_its_grace(cast: Cast) -> None:
    new = agent_rotation(cast)
    assert fresh(cast).previous_key_expires_at is None
    Collector.objects.update(api_key_created_at=Now() - timedelta(days=300))
    assert works(cast, cast.key), "however long it takes"
    assert fresh(cast).api_key_proven_at is None
    assert works(cast, new)
    assert works(cast, cast.key)
    assert fresh(cast).previous_key_expires_at is not None
    later(previous_key_expires_at=timedelta(seconds=limits.KEY_GRACE_SECONDS))
    assert not works(cast, cast.key)
    assert works(cast, new)
    assert AuditEntry.objects.filter(action="collector.prove_key").count() == 1


def test_any_request_proves_the_new_key_not_heartbeats_alone(cast: Cast) -> None:
    new = agent_rotation(cast)
    heartbeats.authenticate(collector_id=cast.collector.pk, key_digest=keys.digest_of(new))
    assert fresh(cast).api_key_proven_at is not None


def test_the_same_hash_again_changes_nothing_and_any_other_is_refused(cast: Cast) -> None:
    new = agent_rotation(cast)
    before = Collector.objects.values().get(pk=cast.collector.pk)
    tell(cast, cast.key, new)
    tell(cast, new, new)
    assert Collector.objects.values().get(pk=cast.collector.pk) == before
    with pytest.raises(Conflict, match="asked"):
        tell(cast, cast.key, keys.generate_key(cast.collector.pk))


def test_a_key_of_before_is_not_taken_again(cast: Cast) -> None:
    new = agent_rotation(cast)
    works(cast, new)
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    with pytest.raises(Conflict, match="before"):
        tell(cast, new, cast.key)


def test_an_agent_that_still_signs_in_with_the_older_key_keeps_it_through_the_next_rotation(cast: Cast) -> None:
    by_hand = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    new = keys.generate_key(cast.collector.pk)
    tell(cast, cast.key, new)
    assert (works(cast, cast.key), works(cast, by_hand), works(cast, new)) == (True, False, True)


def test_a_key_made_by_hand_does_not_end_the_one_in_use_when_the_agents_own_was_never_used(cast: Cast) -> None:
    never_used = agent_rotation(cast)
    by_hand = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    assert (works(cast, cast.key), works(cast, never_used), works(cast, by_hand)) == (True, False, True)


def test_a_key_made_by_hand_takes_the_place_of_the_one_that_was_asked_for(cast: Cast) -> None:
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    rotate_key(collector=cast.collector, actor=SOMEBODY)
    assert not asked(cast, cast.key)


def test_revoked_keys_are_good_for_nothing_until_there_is_one_by_hand(cast: Cast) -> None:
    new = agent_rotation(cast)
    works(cast, new)
    collector_keys.revoke(collector=cast.collector, actor=SOMEBODY)
    assert not works(cast, cast.key)
    assert not works(cast, new)
    with pytest.raises(heartbeats.KeyRefused):
        heartbeats.authenticate(collector_id=cast.collector.pk, key_digest="")
    by_hand = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    assert (works(cast, by_hand), works(cast, new), works(cast, cast.key)) == (True, False, False)


def test_old_keys_are_changed_by_age_where_the_operator_wants_it(cast: Cast, settings: Settings) -> None:
    Collector.objects.filter(pk=cast.collector.pk).update(api_key_created_at=Now() - timedelta(days=91))
    assert collector_keys.request_old() == 0
    settings.DBPOWER_KEY_MAX_AGE_DAYS = 90
    assert (collector_keys.request_old(), collector_keys.request_old()) == (1, 0)
    assert asked(cast, cast.key)
    collector_keys.revoke(collector=cast.collector, actor=SOMEBODY)
    assert collector_keys.request_old() == 0


def test_where_the_key_was_used_last_is_known(cast: Cast) -> None:
    works(cast, cast.key)
    works(cast, cast.key)
    assert fresh(cast).heartbeat.address == "192.0.2.9"


@pytest.mark.django_db(transaction=True)
def test_the_first_uses_of_a_new_key_at_once_prove_it_once(cast: Cast) -> None:
    new = agent_rotation(cast)
    assert at_once(*[partial(works, cast, new)] * 4) == [True] * 4
    assert AuditEntry.objects.filter(action="collector.prove_key").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_revocation_and_a_new_hash_at_once_leave_no_key_alive(cast: Cast) -> None:
    for _ in range(5):
        collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
        new = keys.generate_key(cast.collector.pk)
        at_once(
            partial(tell, cast, cast.key, new), partial(collector_keys.revoke, collector=cast.collector, actor=SOMEBODY)
        )
        assert not works(cast, cast.key)
        if works(cast, new):
            pytest.fail("a key that was made while the keys were revoked is good")
