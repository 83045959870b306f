"""Ages instead of times of day: nothing the agent sends depends on a clock that somebody may set."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

# What the backend takes. Rows of a log that are older when it is read for the first time are past every retention anyway.
LONGEST_AGE_SECONDS: Final = 366 * 86_400.0


@cache
def boot_id() -> str:
    """Names this boot of the machine; where the kernel does not tell (a hardened service), this process alone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"process-{uuid.uuid4().hex}"


def boot_seconds() -> float:
    """Seconds since the machine booted, suspended time included: the same for every process, never set back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Instant:
    """A moment that can be stored in a file and still gives a right age after the process, not the machine, restarted."""

    boot: str
    boot_seconds: float
    wall_seconds: float

    @classmethod
    def now(cls) -> Instant:
        return cls(boot_id(), boot_seconds(), time.time())

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Instant:
        return cls(str(raw["boot"]), float(raw["boot_seconds"]), float(raw["wall_seconds"]))

    def as_json(self) -> dict[str, Any]:
        return {"boot": self.boot, "boot_seconds": self.boot_seconds, "wall_seconds": self.wall_seconds}

    def age(self, now: Instant | None = None) -> float:
        """Seconds from this moment to `now`. After a reboot only the wall clock is left; its answer is clamped."""
        now = now or Instant.now()
        same_boot = self.boot == now.boot
        by_boot, by_wall = now.boot_seconds - self.boot_seconds, now.wall_seconds - self.wall_seconds
        seconds = by_boot if same_boot else by_wall
        return min(max(seconds, 0.0), LONGEST_AGE_SECONDS)
