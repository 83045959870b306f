"""Keys that agents make: asked for, taken, proven; and keys that end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from collectors.domain import keys, limits
from collectors.domain.actors import Actor
from collectors.domain.heartbeats import Report
from collectors.models import AuditEntry, Collector, Heartbeat
from collectors.services import collector_keys, heartbeats
from collectors.services.collectors import rotate_key
from collectors.services.errors import Conflict, KeyRefused
from tests.cast import SOMEBODY, Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db
STEADY = Report(instance="a" * 32, queries_collected=0, errors_count=0, auto_collect=True, address="192.0.2.9")


def fresh(cast: Cast) -> Collector:
    return Collector.objects.get(pk=cast.collector.pk)


def works(cast: Cast, key: str) -> bool:
    try:
        heartbeats.record(collector_id=cast.collector.pk, key_digest=keys.digest_of(key), report=STEADY)
    except KeyRefused:
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
    with pytest.raises(KeyRefused):
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


def test_of_old_keys_one_that_is_removed_meanwhile_does_not_keep_the_others_waiting(
    cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DBPOWER_KEY_MAX_AGE_DAYS = 1
    Collector.objects.update(api_key_created_at=Now() - timedelta(days=2))
    real = collector_keys.request_rotation

    def ask(*, collector: Collector, actor: Actor) -> None:
        if collector.pk == cast.collector.pk:
            Collector.objects.filter(pk=collector.pk).delete()
        if collector.pk == cast.warehouse_collector.pk:
            collector_keys.revoke(collector=collector, actor=actor)
        real(collector=collector, actor=actor)

    monkeypatch.setattr(collector_keys, "request_rotation", ask)
    assert collector_keys.request_old() == 1
    asked_of = Collector.objects.exclude(key_rotation_requested_at=None)
    assert [collector.pk for collector in asked_of] == [cast.foreign_collector.pk]


def test_without_a_key_nobody_can_be_asked_for_another(cast: Cast) -> None:
    collector_keys.revoke(collector=cast.collector, actor=SOMEBODY)
    with pytest.raises(Conflict, match="by hand"):
        collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    assert fresh(cast).key_rotation_requested_at is None


# Keys by hand, made again before the one before was used.


def test_a_key_by_hand_whose_answer_was_lost_can_be_made_again(cast: Cast) -> None:
    assert works(cast, cast.key)
    lost = rotate_key(collector=cast.collector, actor=SOMEBODY, overlap=timedelta(minutes=1)).api_key
    for _ in range(2):
        second = rotate_key(collector=cast.collector, actor=SOMEBODY, overlap=timedelta(hours=9)).api_key
    later(previous_key_expires_at=timedelta(hours=8))
    assert (works(cast, cast.key), works(cast, lost)) == (True, False), "the overlap counts from the last one on"
    assert works(cast, second)


def test_made_again_without_overlap_it_ends_the_key_in_use(cast: Cast) -> None:
    assert works(cast, cast.key)
    rotate_key(collector=cast.collector, actor=SOMEBODY)
    second = rotate_key(collector=cast.collector, actor=SOMEBODY, overlap=timedelta(0)).api_key
    assert not fresh(cast).previous_key_is_good(), "from that moment on"
    assert (works(cast, cast.key), works(cast, second)) == (False, True)


def test_a_key_by_hand_that_is_in_use_becomes_the_previous_one(cast: Cast) -> None:
    second = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    assert works(cast, second)
    rotate_key(collector=cast.collector, actor=SOMEBODY)
    assert (works(cast, second), works(cast, cast.key)) == (True, False)


# Old keys bring nothing in.


def test_a_key_in_its_grace_cannot_bring_in_another(cast: Cast) -> None:
    new = agent_rotation(cast)
    assert works(cast, new)
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    before = fresh(cast)
    thief = keys.generate_key(cast.collector.pk)
    for _ in range(3):
        with pytest.raises(Conflict, match="replaced"):
            tell(cast, cast.key, thief)
    after = fresh(cast)
    assert (after.api_key_hash, after.previous_key_expires_at) == (before.api_key_hash, before.previous_key_expires_at)
    assert (works(cast, new), works(cast, thief)) == (True, False)
    assert AuditEntry.objects.get(action="collector.rotate_key_refused").collector_id == cast.collector.pk
    tell(cast, new, keys.generate_key(cast.collector.pk))


def test_an_old_key_does_not_hear_that_a_new_one_is_wanted(cast: Cast) -> None:
    new = agent_rotation(cast)
    assert works(cast, new)
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    assert (asked(cast, cast.key), asked(cast, new)) == (False, True)
    stranger = replace(STEADY, instance="b" * 32)
    for key, wanted in ((cast.key, False), (new, True)):
        answer = heartbeats.record(collector_id=cast.collector.pk, key_digest=keys.digest_of(key), report=stranger)
        assert answer.rotate_key is wanted


def test_a_key_that_ends_does_not_prolong_itself(cast: Cast) -> None:
    rotate_key(collector=cast.collector, actor=SOMEBODY, overlap=timedelta(minutes=5))
    end = fresh(cast).previous_key_expires_at
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    new = keys.generate_key(cast.collector.pk)
    tell(cast, cast.key, new)
    assert fresh(cast).previous_key_expires_at == end
    assert works(cast, new)
    assert fresh(cast).previous_key_expires_at == end


def test_a_key_that_ended_while_the_request_was_under_way_brings_nothing_in(cast: Cast) -> None:
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    signed_in = fresh(cast)
    collector_keys.revoke(collector=cast.collector, actor=SOMEBODY)
    new = keys.generate_key(cast.collector.pk)
    with pytest.raises(KeyRefused):
        collector_keys.take_new_key(collector=signed_in, presented=keys.digest_of(cast.key), digest=keys.digest_of(new))


def test_the_clock_of_the_web_host_does_not_decide_when_a_key_ends(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    rotate_key(collector=cast.collector, actor=SOMEBODY)
    now = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now + timedelta(days=30))
        assert works(cast, cast.key)
    later(previous_key_expires_at=timedelta(days=1, minutes=1))
    monkeypatch.setattr(timezone, "now", lambda: now - timedelta(days=30))
    assert not works(cast, cast.key)


# When and where keys were used.


def used(cast: Cast, key: str) -> tuple[datetime | None, str]:
    return fresh(cast).heartbeat.use_of(keys.digest_of(key))


def use(cast: Cast, key: str, address: str) -> None:
    heartbeats.authenticate(collector_id=cast.collector.pk, key_digest=keys.digest_of(key), address=address)


def beat(cast: Cast, key: str, address: str) -> None:
    report = replace(STEADY, address=address)
    heartbeats.record(collector_id=cast.collector.pk, key_digest=keys.digest_of(key), report=report)


@pytest.mark.parametrize("act", [use, beat])
def test_a_use_is_noted_once_a_minute_and_from_each_new_address(cast: Cast, act: Callable[..., None]) -> None:
    beat(cast, cast.key, "192.0.2.9")
    act(cast, cast.key, "192.0.2.9")
    first, address = used(cast, cast.key)
    assert first is not None
    assert address == "192.0.2.9"
    act(cast, cast.key, "192.0.2.9")
    assert used(cast, cast.key) == (first, "192.0.2.9")
    act(cast, cast.key, "198.51.100.1")
    second, address = used(cast, cast.key)
    assert second is not None
    assert (second > first, address) == (True, "198.51.100.1")
    Heartbeat.objects.update(key_used_at=second - timedelta(seconds=61))
    act(cast, cast.key, "198.51.100.1")
    third, _ = used(cast, cast.key)
    assert third is not None
    assert third >= second


@pytest.mark.parametrize("act", [use, beat])
def test_uses_of_the_present_and_of_the_previous_key_are_told_apart(cast: Cast, act: Callable[..., None]) -> None:
    beat(cast, cast.key, "192.0.2.9")
    new = agent_rotation(cast)
    assert (used(cast, cast.key)[1], used(cast, new)) == ("192.0.2.9", (None, ""))
    act(cast, new, "192.0.2.10")
    assert (used(cast, cast.key)[1], used(cast, new)[1]) == ("192.0.2.9", "192.0.2.10")
    act(cast, cast.key, "203.0.113.66")
    assert (used(cast, cast.key)[1], used(cast, new)[1]) == ("203.0.113.66", "192.0.2.10")


def test_a_wrong_key_leaves_no_trace_among_the_uses(cast: Cast) -> None:
    use(cast, cast.key, "192.0.2.9")
    with pytest.raises(KeyRefused):
        use(cast, keys.generate_key(cast.collector.pk), "203.0.113.66")
    assert used(cast, cast.key)[1] == "192.0.2.9"
    assert "203.0.113.66" not in str(Heartbeat.objects.values().get(pk=cast.collector.pk))


@pytest.mark.django_db(transaction=True)
def test_the_first_uses_of_a_new_key_at_once_prove_it_once(cast: Cast) -> None:
    new = agent_rotation(cast)
    assert at_once(*[partial(works, cast, new)] * 4) == [True] * 4
    assert AuditEntry.objects.filter(action="collector.prove_key").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_revocation_and_a_new_hash_at_once_leave_no_key_alive(cast: Cast) -> None:
    for _ in range(5):
        cast.key = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
        collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
        new = keys.generate_key(cast.collector.pk)
        at_once(
            partial(tell, cast, cast.key, new), partial(collector_keys.revoke, collector=cast.collector, actor=SOMEBODY)
        )
        assert not works(cast, cast.key)
        if works(cast, new):
            pytest.fail("a key that was made while the keys were revoked is good")
