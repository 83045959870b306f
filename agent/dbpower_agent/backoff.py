"""How long to wait before trying again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_RETRY_AFTER: Final = 3600.0


class Backoff:
    """Exponential back-off with full jitter, in seconds: a fleet cut off together does not come back together."""

    def __init__(
        self,
        *,
        shortest: float = 1.0,
        longest: float = 60.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._shortest = shortest
        self._longest = longest
        self._uniform = uniform
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def failed(self, *, retry_after: float | None = None, at_least: float = 0.0) -> float:
        """Note one more failure and return the seconds to wait. `retry_after`, the backend's own wish, wins."""
        self._failures += 1
        if retry_after is not None:
            wish = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
            return wish + self._uniform(0.0, max(1.0, wish * 0.1))
        ceiling = min(self._longest, self._shortest * 2.0 ** min(self._failures, 30))
        return max(at_least, self._shortest, self._uniform(0.0, ceiling))
