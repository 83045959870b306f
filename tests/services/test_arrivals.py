"""How far a new collector is, and what is missing."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.models import Collector, Heartbeat
from collectors.services import arrivals, key_failures
from collectors.services.arrivals import Arrival
from tests.cast import Cast
from tests.services.uploading import send, slow_log, slow_query

pytestmark = pytest.mark.django_db


def arrival(cast: Cast) -> Arrival:
    return arrivals.arrival(Collector.objects.select_related("heartbeat").get(pk=cast.collector.pk))


def heartbeat(cast: Cast, **values: Any) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(last_heartbeat=timezone.now(), **values)


def test_nothing_has_arrived_from_one_that_was_just_registered(cast: Cast) -> None:
    found = arrival(cast)
    assert (found.heard_at, found.readable, found.collected_at, found.has_numbers) == (None, None, None, False)
    assert not found.is_complete


def test_what_an_agent_says_of_its_source_is_told_with_what_mends_it(cast: Cast) -> None:
    source = {"sources": [{"readable": True}, {"readable": False, "detail": "No right.", "remedy": "GRANT x"}]}
    heartbeat(cast, address="10.0.0.7", source={**source, "readable": False})
    found = arrival(cast)
    assert (found.readable, found.trouble, found.remedy, found.address) == (False, "No right.", "GRANT x", "10.0.0.7")


def test_it_is_complete_with_its_first_numbers(cast: Cast) -> None:
    heartbeat(cast)
    assert not arrival(cast).is_complete
    send(cast.collector, slow_log(0, 1, queries=[slow_query()]))
    assert arrival(cast).is_complete


def test_numbers_of_before_the_collector_was_there_are_not_its_own(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 1, queries=[slow_query(age_seconds=3_000)]))
    Collector.objects.filter(pk=cast.collector.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert not arrival(cast).has_numbers


def test_a_wrong_key_that_was_sent_to_it_is_told_until_the_right_one_came(cast: Cast) -> None:
    key_failures.note(
        presented="collector",
        address="10.0.0.8",
        path=f"/api/v1/collectors/{cast.collector.pk}/heartbeat",
        collector_id=cast.collector.pk,
    )
    assert arrival(cast).refused_from == "10.0.0.8"
    heartbeat(cast)
    assert arrival(cast).refused_from == ""


def test_a_wrong_key_for_another_collector_is_not_told(cast: Cast) -> None:
    key_failures.note(
        presented="collector",
        address="10.0.0.8",
        path=f"/api/v1/collectors/{cast.warehouse_collector.pk}/heartbeat",
        collector_id=cast.warehouse_collector.pk,
    )
    assert arrival(cast).refused_from == ""
