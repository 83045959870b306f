"""What the control plane's own processes leave in the database, so that an outage of ours is never taken for one of theirs."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.models import ControlPlane, Outage

_logger = logging.getLogger(__name__)
_OUTAGES_READ: Final = 200


def record_web() -> None:
    """Record that heartbeats are accepted now. After a gap, deadlines count from this moment.

    Any number of web processes may record at once: after an outage the first one moves `accepting_since`, and the others see a
    fresh `web_seen_at`.
    """
    gone = Q(web_seen_at__lt=Now() - timedelta(seconds=limits.WEB_GAP_SECONDS))
    if ControlPlane.objects.filter(gone).exists():
        _record_outage(gone)
    stale = Q(web_seen_at=None) | gone
    _record(accepting_since=Case(When(stale, then=Now()), default=F("accepting_since")), web_seen_at=Now())


@transaction.atomic
def _record_outage(gone: Q) -> None:
    """Write the outage that ends now, and its end with it, so that no other process writes it too."""
    began_at = ControlPlane.objects.select_for_update().filter(gone).values_list("web_seen_at", flat=True).first()
    if began_at is not None:
        Outage.objects.create(began_at=began_at, ended_at=Now())
        ControlPlane.objects.update(web_seen_at=Now(), accepting_since=Now())


def outages(*, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return when in a period nobody could be heard, the newest so many, oldest first."""
    rows = Outage.objects.filter(ended_at__gt=since, began_at__lt=until).order_by("-id")
    return list(rows.values_list("began_at", "ended_at")[:_OUTAGES_READ])[::-1]


def record_worker() -> None:
    """Record that a worker process lives."""
    _record(worker_seen_at=Now())


def record_beat() -> None:
    """Record that the beat's schedule is being followed. A database that is away for a moment must not end the beat."""
    try:
        _record(beat_seen_at=Now())
    except DatabaseError as error:
        _logger.warning("the beat could not record itself: %s", error)
    finally:
        close_old_connections()


def _record(**values: Any) -> None:
    """Write into the one row. A database that was emptied gets it back: without it nobody would ever be OFFLINE."""
    if not ControlPlane.objects.update(**values):
        ControlPlane.objects.get_or_create(pk=1)
        ControlPlane.objects.update(**values)


def prove_web() -> None:
    """Record that the web accepts heartbeats. To be called where requests are answered: being called is the proof.

    A thread beside them would go on recording while they all are stuck, and our outage would be reported as the agents'.
    """
    _recorded("web", record_web)


_proof = threading.Lock()
_proved_at: float | None = None


def prove_web_now_and_then() -> None:
    """Call `prove_web`, at most once in ten seconds in this process."""
    global _proved_at  # noqa: PLW0603 - one for the process
    with _proof:
        now = time.monotonic()
        if _proved_at is not None and now - _proved_at < limits.WEB_SEEN_SECONDS:
            return
        _proved_at = now
    prove_web()


def keep_recording_worker() -> threading.Thread:
    """Call `record_worker` every ten seconds from a thread of this worker process, for as long as the process lives."""

    def run() -> None:
        pause = threading.Event()
        while True:
            _recorded("worker", record_worker)
            pause.wait(limits.WEB_SEEN_SECONDS)

    thread = threading.Thread(target=run, name="record-worker", daemon=True)
    thread.start()
    return thread


def _recorded(kind: str, record: Callable[[], None]) -> None:
    try:
        record()
    except DatabaseError as error:
        _logger.warning("%s could not record itself: %s", kind, error)
    finally:
        close_old_connections()
