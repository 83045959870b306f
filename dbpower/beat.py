"""What runs when, and the scheduler that leaves a trace in the database so that a dead beat is seen."""

import time
from datetime import timedelta
from typing import Any

from celery.beat import Scheduler

_RECORD_EVERY_SECONDS = 10


def schedule(sweep_seconds: int) -> dict[str, dict[str, Any]]:
    """Return the beat's schedule. A task that waited longer than its period expires: the next one does its work."""
    return {
        "sweep": {
            "task": "collectors.tasks.sweep",
            "schedule": timedelta(seconds=sweep_seconds),
            "options": {"expires": max(1, sweep_seconds * 5 // 6)},
        },
        "roll-up": {
            "task": "collectors.tasks.roll_up",
            "schedule": timedelta(minutes=5),
            "options": {"expires": 250},
        },
        "measure-rates": {
            "task": "collectors.tasks.measure_rates",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 50},
        },
        "seal-audit": {
            "task": "collectors.tasks.seal_audit",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 50},
        },
        "rotate-old-keys": {
            "task": "collectors.tasks.rotate_old_keys",
            "schedule": timedelta(minutes=10),
            "options": {"expires": 500},
        },
        "maintain-storage": {
            "task": "collectors.tasks.maintain_storage",
            "schedule": timedelta(hours=1),
            "options": {"expires": 3000},
        },
    }


class RecordingScheduler(Scheduler):
    """Keeps its schedule in memory (every entry is due again after a restart, and every task may run twice) and says that it lives."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recorded_at = float("-inf")

    def setup_schedule(self) -> None:
        """Make every entry due at once, so that a beat that was away does not first wait for a whole period."""
        super().setup_schedule()
        for entry in self.data.values():
            entry.last_run_at -= timedelta(days=1)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return the seconds to wait, never longer than until the next record."""
        if time.monotonic() - self._recorded_at >= _RECORD_EVERY_SECONDS:
            # Imported here: Celery reads this module before Django's models can be.
            from collectors.services.presence import record_beat

            record_beat()
            self._recorded_at = time.monotonic()
        return min(float(super().tick(*args, **kwargs)), _RECORD_EVERY_SECONDS)
