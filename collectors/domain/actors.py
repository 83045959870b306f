"""Who does something: named in every audit row."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Actor:
    """A user, a collector or the system itself, and the network address it came from (empty when there is none)."""

    label: str
    user_id: int | None = None
    collector_id: int | None = None
    address: str = ""

    @classmethod
    def system(cls, label: str) -> Self:
        """Return the actor of an act that nobody asked for over the network: a task or a command of the shell."""
        return cls(label=label)
