"""Celery's entry points: each calls one service. Any of them may run twice, or twice at once, with the effect of once."""

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from collectors.services import audit_chain, collector_keys, presence, query_rates, rollups, storage
from collectors.services import sweep as sweeping

_logger = logging.getLogger(__name__)


@shared_task(name="collectors.tasks.sweep")
def sweep() -> None:
    """Look for missed deadlines."""
    sweeping.sweep()


@shared_task(name="collectors.tasks.maintain_storage")
def maintain_storage() -> None:
    """Make partitions ahead of time and drop what is past its retention."""
    storage.maintain()


@shared_task(name="collectors.tasks.roll_up")
def roll_up() -> None:
    """Roll changed buckets up to hours, changed hours to days, and changed days to weeks."""
    rollups.roll_up()


@shared_task(name="collectors.tasks.measure_rates")
def measure_rates() -> None:
    """Tell collectors' queries per minute from their totals."""
    query_rates.measure()


@shared_task(name="collectors.tasks.seal_audit")
def seal_audit() -> None:
    """Seal what was written into the audit since the last time."""
    audit_chain.seal()


@shared_task(name="collectors.tasks.rotate_old_keys")
def rotate_old_keys() -> None:
    """Ask agents with old keys for new ones."""
    collector_keys.request_old()


@worker_ready.connect
def announce(**_: Any) -> None:
    """Say that the watch has begun, and go on saying in the database that this worker lives."""
    sweeping.announce()
    presence.keep_recording_worker()
