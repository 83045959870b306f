"""Leases: of several collectors on one monitored database, one collects.

A heartbeat of the holder renews the lease without writing it: it is good while the holder's heartbeat row says that the
agent was heard within DBPOWER_LEASE_SECONDS, can read its source, is not about to end, and is wanted to collect. Otherwise
the next heartbeat of a collector that can do better takes it. Counting never depends on that: snapshots are ordered by
epochs, slow-log rows by the cursor, so two that collect at once for a moment add nothing twice.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from collectors.models import Collector, ControlPlane, Heartbeat, Lease, MonitoredDatabase


def take(*, collector_id: int, wanted: bool, readable: bool | None) -> int | None:
    """Give a collector the lease of its database if it is to be had; return the epoch of the grant, else None.

    A lease that nobody ever held goes to whoever asks. One that has a holder goes to a collector that is `wanted` to
    collect and does not say that it cannot read its source; `readable` None means that it has not looked yet.
    """
    free = _free(wanted=wanted, readable=readable)
    if not MonitoredDatabase.objects.filter(free, collectors=collector_id).exists():
        return None
    return _grant(collector_id, free)


def fence(*, collector_id: int, epoch: int) -> None:
    """Make snapshots of before `epoch` stale, if the collector holds the lease.

    Called when another agent process takes over from one that may still be reading.
    """
    Lease.objects.filter(holder_id=collector_id).update(epoch=epoch)


def next_epoch(database_id: int) -> int:
    """Return a number above all that agents of this database have been given."""
    MonitoredDatabase.objects.filter(pk=database_id).update(last_epoch=F("last_epoch") + 1)
    return MonitoredDatabase.objects.values_list("last_epoch", flat=True).get(pk=database_id)


def _free(*, wanted: bool, readable: bool | None) -> Q:
    nobody = Q(lease__isnull=True) | Q(lease__holder__isnull=True)
    if not wanted or readable is False:
        return nobody
    given_up = Q(lease__holder__heartbeat__stopping=True) | Q(lease__holder__auto_collect=False)
    if readable:
        # Not for one that has not looked yet: two that cannot read would take it from each other all the time.
        given_up |= Q(lease__holder__heartbeat__source__readable=False)
    deadline = Now() - timedelta(seconds=settings.DBPOWER_LEASE_SECONDS)
    if ControlPlane.objects.filter(accepting_since__gte=deadline).exists():
        # The control plane was away: nobody could have been heard, so nobody is late.
        return nobody | given_up
    silent = Q(lease__holder__heartbeat__last_heartbeat__isnull=True) | Q(
        lease__holder__heartbeat__last_heartbeat__lt=deadline
    )
    return nobody | given_up | silent


@transaction.atomic
def _grant(collector_id: int, free: Q) -> int | None:
    # A heartbeat's row is locked before its database's, here as where heartbeats are recorded.
    own = Heartbeat.objects.select_for_update().filter(pk=collector_id).first()
    if own is None:
        return None
    database_id = Collector.objects.values_list("database_id", flat=True).get(pk=collector_id)
    database = MonitoredDatabase.objects.select_for_update().get(pk=database_id)
    if not MonitoredDatabase.objects.filter(free, pk=database_id).exists():
        return None
    # The newest epoch of all is as good as a newer one: whoever else read this database did so under an older one.
    epoch = own.epoch if own.epoch == database.last_epoch else next_epoch(database_id)
    Lease.objects.update_or_create(
        database=database,
        defaults={
            "organization_id": database.organization_id,
            "holder_id": collector_id,
            "epoch": epoch,
            "granted_at": Now(),
        },
    )
    Heartbeat.objects.filter(pk=collector_id).update(epoch=epoch)
    return epoch
