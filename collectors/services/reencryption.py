"""Changing the encryption key of stored configurations, in chunks and without a lock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.fernet import InvalidToken

from collectors.models import Collector
from collectors.services import configs

_CHUNK: Final = 200


@dataclass(frozen=True)
class Progress:
    """How far the work is; `unreadable` holds the collectors whose configuration no key opens."""

    total: int
    seen: int
    changed: int
    unreadable: list[int] = field(default_factory=list)


def reencrypt_all() -> Iterator[Progress]:
    """Re-encrypt every configuration, yielding after each chunk.

    Each row is written only where the ciphertext that was read still stands: a configuration that somebody changed in
    between is under the newest key already. Stopping anywhere loses nothing, and a second run does it again.
    """
    stored = Collector.objects.exclude(config="")
    total, seen, changed, last = stored.count(), 0, 0, 0
    unreadable: list[int] = []
    while chunk := list(stored.filter(pk__gt=last).order_by("pk").values_list("pk", "config")[:_CHUNK]):
        for pk, ciphertext in chunk:
            try:
                replacement = configs.reencrypt(ciphertext)
            except InvalidToken:
                unreadable.append(pk)
                continue
            changed += Collector.objects.filter(pk=pk, config=ciphertext).update(config=replacement)
        seen, last = seen + len(chunk), chunk[-1][0]
        yield Progress(total, seen, changed, list(unreadable))
