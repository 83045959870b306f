"""Changing the encryption key of what is stored, in chunks and without a lock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Model

from collectors.domain.actors import Actor
from collectors.models import Collector, SecondFactor
from collectors.services import audit, encryption

_CHUNK: Final = 200
# Every column that holds something sealed, how a row of it is named, and the member inside that has to name the row.
SEALED: Final[tuple[tuple[type[Model], str, str, str], ...]] = (
    (Collector, "config", "collector", "collector_id"),
    (SecondFactor, "secret", "second factor of user", "user_id"),
)


@dataclass
class Progress:
    """How far the work is: `changed` now, `done` before; `unreadable` names rows that no key opens, `foreign` those of another row."""

    total: int
    seen: int = 0
    changed: int = 0
    done: int = 0
    foreign: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def reencrypt_all() -> Iterator[Progress]:
    """Re-encrypt every row, yielding how far it is after each chunk.

    Each row is written only where the ciphertext that was read still stands: what somebody changed in between is under the
    newest key already. Stopping anywhere loses nothing, and a second run passes over what is done.
    """
    progress = Progress(sum(_stored(model, column).count() for model, column, _, _ in SEALED))
    for model, column, name, member in SEALED:
        last = 0
        while chunk := list(_stored(model, column).filter(pk__gt=last).values_list("pk", column)[:_CHUNK]):
            for pk, ciphertext in chunk:
                content = encryption.unseal(ciphertext)
                if content is None:
                    progress.unreadable.append(f"{name} {pk}")
                elif content.get(member) != pk:
                    progress.foreign.append(f"{name} {pk}")
                elif encryption.is_newest(ciphertext):
                    progress.done += 1
                else:
                    unchanged = _stored(model, column).filter(**{"pk": pk, column: ciphertext})
                    progress.changed += unchanged.update(**{column: encryption.seal(content)})
            progress.seen, last = progress.seen + len(chunk), chunk[-1][0]
            yield progress


def record_done(*, progress: Progress, actor: Actor) -> None:
    """Write into the audit that every row was gone through, and how many no key opens."""
    audit.record(
        actor=actor,
        action="encryption_key.rotate",
        object_type="control_plane",
        organization_id=None,
        after={
            "total": progress.total,
            "changed": progress.changed,
            "done_before": progress.done,
            "unreadable": len(progress.unreadable),
            "foreign": len(progress.foreign),
        },
    )


def _stored(model: type[Model], column: str) -> Any:
    return model._default_manager.exclude(**{column: ""}).order_by("pk")
