"""What all cumulative sources share: the numbering of snapshots, their way to the spool, and the uploads of texts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.fingerprint import fingerprint, fingerprint_id
from dbpower_agent.payload import Part, encode_member
from dbpower_agent.sources.base import Collection
from dbpower_agent.sources.slow_log_rows import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbpower_agent.clock import Instant
    from dbpower_agent.sources.base import Audit, SourceTools
    from dbpower_agent.sources.snapshot_parts import SnapshotParts
    from dbpower_agent.tokens import Dialect

FINGERPRINT_LIMIT: Final = 65_536


@dataclass(frozen=True)
class Generation:
    """The life of a source's counters. `age_seconds` is how long before the read it began, `evictions` how often the
    source has thrown rows out since then; None where nobody knows.
    """

    server_id: str
    name: str
    age_seconds: float | None
    evictions: int | None = None


class SnapshotSeries:
    """The snapshots of one source, in their order and with the time between them."""

    def __init__(self, source: str, tools: SourceTools) -> None:
        self._source = source
        self._tools = tools
        self._previous: Instant | None = None

    def store(
        self,
        parts: SnapshotParts,
        generation: Generation,
        *,
        epoch: int,
        read_at: Instant,
        completeness: dict[str, Any],
        audit: Audit | None,
    ) -> Collection:
        """Put a whole snapshot on the spool. `completeness` is what the source itself knows. Raise OSError."""
        snapshot_id = uuid.uuid4().hex
        finished = parts.finish()
        interval = None if self._previous is None else round(self._previous.age(read_at), 3)
        age = generation.age_seconds
        envelope = {
            "source": self._source,
            "epoch": epoch,
            "seq": self._tools.numbers.next(self._source, epoch),
            "interval_seconds": interval,
            "snapshot_id": snapshot_id,
            "parts": len(finished),
            "rows": parts.rows,
            "server_id": generation.server_id,
            "generation": generation.name,
            "generation_age_seconds": None if age is None else round(max(age, 0.0), 3),
            "evictions_total": generation.evictions,
            "audit": None if audit is None else audit.command_id,
            "completeness": {"tracked": parts.rows, **completeness, **self._missed(interval)},
        }
        try:
            for number, (tail, count) in enumerate(finished, start=1):
                part = {**envelope, "part": number}
                self._tools.spool.put(part, tail(), count=count, read_at=read_at, group=snapshot_id)
        except OSError:
            # On a full disk the parts that fitted would only be in the way.
            self._tools.spool.discard_group(self._source, snapshot_id)
            raise
        self._previous = read_at
        return Collection(parts.rows, len(finished))

    def _missed(self, interval: float | None) -> dict[str, int]:
        planned = self._tools.interval_seconds()
        if interval is None or interval <= 1.5 * planned:
            return {}
        return {"missed_polls": round(interval / planned) - 1}


def text_parts(keys: list[str], texts: Iterable[tuple[str, str | None]], *, dialect: Dialect) -> Iterator[Part]:
    """Uploads of the texts of `keys`, stripped of literals; null for those that `texts` does not have."""
    part = Part("texts", last=',"queries":[]}')
    missing = dict.fromkeys(keys)
    for key, text in texts:
        if key not in missing or text is None:
            continue
        del missing[key]
        stripped = clean_text(fingerprint(text, dialect=dialect))
        member = {"key": key, "fingerprint_id": fingerprint_id(stripped), "fingerprint": stripped[:FINGERPRINT_LIMIT]}
        encoded = encode_member(member)
        if not part.fits(encoded):
            yield part
            part = Part("texts", last=',"queries":[]}')
        part.add(encoded)
    for key in missing:
        part.add(encode_member({"key": key, "fingerprint_id": None, "fingerprint": None}))
    yield part
