"""How the control plane itself is: for balancers, and in detail for operators."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from collectors.domain import limits
from collectors.models import ControlPlane
from collectors.services import broker

_STALE_SECONDS: Final = 3 * limits.WEB_SEEN_SECONDS


@dataclass(frozen=True)
class Detail:
    """How each part is; `dead` names the parts that are missing.

    Ages are seconds since a part was last seen, None when it never was. `broker` says what carries the tasks, `queue` how many
    of them wait, None when the broker does not answer.
    """

    database: bool
    broker: str
    queue: int | None
    web_seen_seconds: float | None
    worker_seen_seconds: float | None
    beat_seen_seconds: float | None
    last_sweep_seconds: float | None
    dead: list[str]


def ready() -> bool:
    """Tell whether the database answers and has every migration."""
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


def detail() -> Detail:
    """Return how each part is. A part that never showed itself is as dead as one that stopped."""
    kind, queue = "redis" if settings.REDIS_URL else "embedded", broker.waiting()
    away = ["broker"] if queue is None else []
    try:
        row = ControlPlane.objects.get()
    except (DatabaseError, ControlPlane.DoesNotExist):
        return Detail(False, kind, queue, None, None, None, None, ["database", *away])
    now = timezone.now()
    worker, beat, sweep = (_age(moment, now) for moment in (row.worker_seen_at, row.beat_seen_at, row.last_sweep_at))
    dead = away + [name for name, age in (("worker", worker), ("beat", beat)) if age is None or age > _STALE_SECONDS]
    if not dead and (sweep is None or sweep > _STALE_SECONDS + limits.SWEEPS_MISSED * settings.DBPOWER_SWEEP_SECONDS):
        dead.append("sweep")
    return Detail(True, kind, queue, _age(row.web_seen_at, now), worker, beat, sweep, dead)


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round(max(0.0, (now - moment).total_seconds()), 1)
