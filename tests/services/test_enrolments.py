"""Enrolment: one collector for each request, as many as the token allows, and keys that only their hosts know."""

from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from collectors.domain import keys, limits
from collectors.domain.enrolment_tokens import digest_of
from collectors.models import AuditEntry, Collector, EnrolmentToken, Heartbeat
from collectors.services import collector_keys, heartbeats
from collectors.services.collectors import change_collector, delete_collector, rotate_key
from collectors.services.enrolments import Created, enrol, revoke_token, take_first_key
from collectors.services.errors import Conflict, EnrolmentRefused, KeyRefused, Refused
from tests.cast import SOMEBODY, Cast, enrolment_token
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def host(created: Created, number: int, name: str = "db7.example.org") -> Collector:
    return enrol(token=created.token, request_id=f"{number:032x}", name=name, address="192.0.2.7")


def tell(created: Created, number: int, key: str) -> Collector:
    return take_first_key(token=created.token, request_id=f"{number:032x}", digest=keys.digest_of(key))


def test_a_host_gets_a_collector_of_the_tokens_team_and_type_whose_key_it_makes_itself(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    assert (collector.team_id, collector.type, collector.name, collector.database.name) == (
        cast.shop.pk,
        "mysql",
        "db7.example.org",
        "db7.example.org",
    )
    assert (collector.api_key_hash, Heartbeat.objects.get(pk=collector.pk).status) == ("", "STARTING")
    key = keys.generate_key(collector.pk)
    tell(created, 1, key)
    assert heartbeats.authenticate(collector_id=collector.pk, key_digest=keys.digest_of(key)) == collector
    entry = AuditEntry.objects.get(action="collector.register", object_id=collector.pk)
    assert (entry.actor, entry.address) == ("enrolment token hosts of Shop", "192.0.2.7")


def test_the_collectors_of_a_token_begin_with_its_labels_and_keep_their_own(cast: Cast) -> None:
    created = enrolment_token(cast.shop, region="EU-1", tags=["Prod", "billing", "prod"])
    first = host(created, 1)
    assert (first.region, [row.tag for row in first.tags.all()]) == ("eu-1", ["billing", "prod"])
    change_collector(collector=first, actor=SOMEBODY, region="", tags=["mine"])
    assert (host(created, 2).region, host(created, 1).region) == ("eu-1", "")
    made = AuditEntry.objects.get(action="enrolment_token.create").after
    assert (made["region"], made["tags"]) == ("eu-1", ["billing", "prod"])
    with pytest.raises(Refused) as refused:
        enrolment_token(cast.shop, tags=["two words"])
    assert set(refused.value.errors) == {"tags"}


def test_each_step_can_be_repeated_and_counts_once(cast: Cast) -> None:
    created = enrolment_token(cast.shop, max_uses=1)
    assert host(created, 1) == host(created, 1)
    collector = host(created, 1)
    key = keys.generate_key(collector.pk)
    for _ in range(3):
        tell(created, 1, key)
    assert host(created, 1) == collector
    assert EnrolmentToken.objects.get().uses == 1
    assert Collector.objects.filter(team=cast.shop).count() == 2


def test_nobody_with_the_token_changes_the_key_of_a_host_that_has_one(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    key = keys.generate_key(collector.pk)
    tell(created, 1, key)
    with pytest.raises(Conflict):
        tell(created, 1, keys.generate_key(collector.pk))
    heartbeats.authenticate(collector_id=collector.pk, key_digest=keys.digest_of(key))
    collector_keys.revoke(collector=collector, actor=SOMEBODY)
    with pytest.raises(Conflict):
        tell(created, 1, keys.generate_key(collector.pk))


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("by_hand", [False, True])
def test_what_was_revoked_the_same_request_does_not_revive(cast: Cast, used: bool, by_hand: bool) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    key = keys.generate_key(collector.pk)
    tell(created, 1, key)
    if used:
        heartbeats.authenticate(collector_id=collector.pk, key_digest=keys.digest_of(key))
    if by_hand:
        rotate_key(collector=collector, actor=SOMEBODY)
    collector_keys.revoke(collector=collector, actor=SOMEBODY)
    with pytest.raises(Conflict, match="had, another key"):
        tell(created, 1, key)
    with pytest.raises(KeyRefused):
        heartbeats.authenticate(collector_id=collector.pk, key_digest=keys.digest_of(key))


def test_a_collector_that_was_revoked_before_its_first_key_gets_none_but_by_hand(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    collector_keys.revoke(collector=collector, actor=SOMEBODY)
    with pytest.raises(Conflict):
        tell(created, 1, keys.generate_key(collector.pk))
    by_hand = rotate_key(collector=collector, actor=SOMEBODY).api_key
    heartbeats.authenticate(collector_id=collector.pk, key_digest=keys.digest_of(by_hand))


def test_the_second_step_is_bounded_in_time(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    row = Collector.objects.get(pk=collector.pk)
    assert row.first_key_until is not None
    Collector.objects.update(first_key_until=row.first_key_until - timedelta(hours=limits.FIRST_KEY_HOURS))
    with pytest.raises(Conflict, match="more than 24 hours"):
        tell(created, 1, keys.generate_key(collector.pk))


def test_a_request_whose_collector_was_removed_makes_no_second_one(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    delete_collector(collector=host(created, 1), actor=SOMEBODY)
    with pytest.raises(Conflict, match="removed"):
        host(created, 1)
    with pytest.raises(Conflict, match="removed"):
        tell(created, 1, keys.generate_key(1))
    assert (EnrolmentToken.objects.get().uses, Collector.objects.filter(team=cast.shop).count()) == (1, 1)


def test_the_first_key_is_in_the_audit_without_what_it_is(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    digest = keys.digest_of(keys.generate_key(collector.pk))
    for _ in range(2):
        take_first_key(token=created.token, request_id=f"{1:032x}", digest=digest, address="192.0.2.8")
    entry = AuditEntry.objects.get(action="collector.first_key")
    assert (entry.actor, entry.address, entry.object_id) == (
        "enrolment token hosts of Shop",
        "192.0.2.8",
        collector.pk,
    )
    assert digest not in str(list(AuditEntry.objects.values()))


def test_only_the_tokens_hash_is_stored(cast: Cast) -> None:
    created = enrolment_token(cast.shop)
    assert EnrolmentToken.objects.get().token_hash == digest_of(created.token)
    assert created.token not in str([list(model.objects.values()) for model in (EnrolmentToken, AuditEntry)])


def test_a_token_that_is_used_up_expired_revoked_or_gone_is_refused_alike(cast: Cast) -> None:
    used_up = enrolment_token(cast.shop, max_uses=1)
    host(used_up, 1)
    expired, revoked, gone = (enrolment_token(cast.shop) for _ in range(3))
    EnrolmentToken.objects.filter(pk=expired.row.pk).update(expires_at=Now())
    revoke_token(token=revoked.row, actor=SOMEBODY)
    gone.row.delete()
    for created in (used_up, expired, revoked, gone):
        with pytest.raises(EnrolmentRefused):
            host(created, 2)
    with pytest.raises(EnrolmentRefused):
        tell(used_up, 2, "x")


def test_a_host_that_was_counted_ends_its_second_step_though_the_token_expired_but_not_once_it_was_revoked(
    cast: Cast,
) -> None:
    created = enrolment_token(cast.shop)
    collector = host(created, 1)
    EnrolmentToken.objects.update(expires_at=Now())
    assert host(created, 1) == collector
    tell(created, 1, keys.generate_key(collector.pk))
    second = enrolment_token(cast.shop)
    host(second, 1)
    revoke_token(token=second.row, actor=SOMEBODY)
    with pytest.raises(EnrolmentRefused):
        tell(second, 1, "x")


@pytest.mark.django_db(transaction=True)
def test_of_hosts_that_come_at_once_exactly_as_many_get_in_as_the_token_allows(cast: Cast) -> None:
    created = enrolment_token(cast.shop, max_uses=3)
    results = at_once(*[partial(host, created, number, f"host {number}") for number in range(8)])
    assert sum(isinstance(result, Collector) for result in results) == 3, results
    assert sum(isinstance(result, EnrolmentRefused) for result in results) == 5
    assert EnrolmentToken.objects.get().uses == 3


@pytest.mark.django_db(transaction=True)
def test_the_same_request_sent_many_times_at_once_is_one_collector(cast: Cast) -> None:
    created = enrolment_token(cast.shop, max_uses=5)
    results = at_once(*[partial(host, created, 1)] * 5)
    assert len({result.pk for result in results if isinstance(result, Collector)}) == 1, results
    assert EnrolmentToken.objects.get().uses == 1
