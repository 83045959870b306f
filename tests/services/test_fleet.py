"""How many collectors are in which state, how that changed, and how fresh the data is."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from collectors.domain.sources import Engine
from collectors.models import ControlPlane, Heartbeat, Lease, MonitoredDatabase, StatusChange
from collectors.services import fleet
from collectors.services.fleet import Freshness, State
from tests.cast import Cast, register

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def now() -> datetime:
    """The present moment, before which the web has accepted heartbeats for a day."""
    moment = timezone.now()
    ControlPlane.objects.update(accepting_since=moment - timedelta(days=1))
    return moment


def state(pk: int, status: str, heard: datetime | None) -> None:
    Heartbeat.objects.filter(pk=pk).update(status=status, last_heartbeat=heard)


def tallies(now: datetime) -> list[fleet.Tally]:
    counts = fleet.counts(heartbeats=Heartbeat.objects.all(), now=now)
    return fleet.tallies(counts=counts, changes=StatusChange.objects.all(), now=now)


def counts(now: datetime) -> dict[str, int]:
    return {tally.state: tally.collectors for tally in tallies(now) if tally.collectors}


def test_each_collector_is_in_one_state_and_late_ones_in_no_other(cast: Cast, now: datetime) -> None:
    state(cast.collector.pk, "ONLINE", now - 30 * SECOND)
    state(cast.warehouse_collector.pk, "ONLINE", now - 61 * SECOND)
    state(cast.foreign_collector.pk, "STOPPED", now - 500 * SECOND)
    assert counts(now) == {State.ONLINE: 1, State.LATE: 1, State.STOPPED: 1}
    state(cast.collector.pk, "ERROR", now - 61 * SECOND)
    assert counts(now) == {State.LATE: 2, State.STOPPED: 1}
    state(cast.collector.pk, "ERROR", now - 30 * SECOND)
    assert counts(now) == {State.ERROR: 1, State.LATE: 1, State.STOPPED: 1}


def test_nobody_is_late_while_the_control_plane_was_away_itself(cast: Cast, now: datetime) -> None:
    state(cast.collector.pk, "ONLINE", now - 61 * SECOND)
    ControlPlane.objects.update(accepting_since=now - 10 * SECOND)
    assert counts(now) == {State.ONLINE: 1, State.STARTING: 2}
    ControlPlane.objects.update(accepting_since=None)
    assert State.LATE not in counts(now)


def test_the_change_over_a_day_is_the_net_of_all_flips(cast: Cast, now: datetime) -> None:
    StatusChange.objects.all().delete()

    def flip(old: str, new: str, hours: int) -> None:
        StatusChange.objects.create(
            organization_id=cast.example.pk,
            collector=cast.collector,
            old_status=old,
            new_status=new,
            cause="heartbeat",
            changed_at=now - timedelta(hours=hours),
        )

    flip("STARTING", "ONLINE", 30)
    for hours in (20, 10):
        flip("ONLINE", "OFFLINE", hours)
        flip("OFFLINE", "ONLINE", hours - 1)
    flip("ONLINE", "ERROR", 2)
    changes = {tally.state: tally.change for tally in tallies(now)}
    assert changes == {"online": -1, "late": None, "error": 1, "offline": 0, "stopped": 0, "starting": 0}


def test_data_is_fresh_stale_or_collected_by_nobody_as_the_rule_for_one_database_says(
    cast: Cast, now: datetime
) -> None:
    def collected(name: str, heard: datetime | None, spool: dict[str, float | None] | None, minutes: int = 5) -> None:
        collector, _ = register(cast.shop, name, Engine.MYSQL)
        collector.collection_interval_minutes = minutes
        collector.save()
        Heartbeat.objects.filter(pk=collector.pk).update(last_heartbeat=heard, spool=spool)
        Lease.objects.create(database=collector.database, organization_id=cast.example.pk, holder=collector, epoch=1)

    collected("fresh", now - 5 * SECOND, {"data_age_seconds": 120.5})
    collected("just-fresh", now - 60 * SECOND, {"data_age_seconds": 599})
    collected("just-stale", now - 60 * SECOND, {"data_age_seconds": 601})
    collected("rare-and-fresh", now - 60 * SECOND, {"data_age_seconds": 3_000}, minutes=60)
    collected("says-nothing", now, None)
    collected("has-none-yet", now, {"data_age_seconds": None})
    found = fleet.data_freshness(databases=MonitoredDatabase.objects.all(), leases=Lease.objects.all(), now=now)
    assert found == Freshness(fresh=3, stale=3, silent=3)
    one_by_one = [
        database.is_data_fresh(now)
        for database in MonitoredDatabase.objects.select_related("lease__holder__heartbeat")
        if hasattr(database, "lease")
    ]
    assert (one_by_one.count(True), one_by_one.count(False)) == (3, 3)
