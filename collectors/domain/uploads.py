"""Uploads as typed values. `parse_upload` reads untrusted JSON: it returns one of the shapes of docs/wire.md or raises `Invalid`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from collectors.domain import limits
from collectors.domain.counters import COUNTERS, Absolute
from collectors.domain.reading import Invalid, Reader
from collectors.domain.sources import Engine, Source
from collectors.domain.statements import mask_literals

_LONGEST_KEY: Final = 255
_COMPLETENESS_NUMBERS: Final = (
    "missed_polls",
    "evictions",
    "capacity",
    "tracked",
    "overflow_calls",
    "digest_lost",
    "approximate_rows",
    "lost_rows",
    "gap_seconds",
    "log_bytes",
    "spool_bytes",
    "spool_dropped_files",
    "clock_skew_seconds",
)


@dataclass(frozen=True)
class SlowQuery:
    """One logged execution. Times are integer nanoseconds; `age_seconds` counts back from the read, None when unknown."""

    fingerprint: str
    fingerprint_id: str | None
    query_time_ns: int
    lock_time_ns: int
    rows_sent: int
    rows_examined: int
    rows_affected: int
    database: str
    user: str
    host: str
    age_seconds: float | None
    started_at: datetime | None
    time_approximate: bool


@dataclass(frozen=True)
class Envelope:
    """What every upload says beside its rows."""

    source: Source
    epoch: int
    age_seconds: float
    interval_seconds: float | None
    completeness: Mapping[str, Any]


@dataclass(frozen=True)
class SlowLogUpload:
    """Rows of a slow log from `position` on. Without rows it asks for the cursor, of any generation when None."""

    envelope: Envelope
    generation: str | None
    position: int
    row_hash: str | None
    lost_rows: int
    queries: list[SlowQuery]


@dataclass(frozen=True)
class BareUpload:
    """Slow queries without a cursor; `upload_id` names the upload, None lets its content name it."""

    upload_id: str | None
    queries: list[SlowQuery]


@dataclass(frozen=True)
class SnapshotRow:
    """One row of a cumulative source: its natural key, what it belongs to, and its counters since its life began."""

    key: str
    digest: str
    database: str
    user: str
    absolute: Absolute


@dataclass(frozen=True)
class SnapshotUpload:
    """One part of a complete snapshot. `evictions_total` counts since the generation began; None where nobody tells.

    `audit` is the number of the command that asked for it, None for an ordinary one.
    """

    envelope: Envelope
    seq: int
    snapshot_id: str
    part: int
    parts: int
    rows: int
    server_id: str
    generation: str
    generation_age_seconds: float | None
    evictions_total: int | None
    audit: int | None
    queries: list[SnapshotRow]


@dataclass(frozen=True)
class StatementText:
    """The normalised text of a statement; both None when the source no longer has it."""

    key: str
    fingerprint_id: str | None
    fingerprint: str | None


@dataclass(frozen=True)
class TextsUpload:
    """Texts the backend asked for."""

    envelope: Envelope
    texts: list[StatementText]


@dataclass(frozen=True)
class LogTotals:
    """What the executions of one statement in a slow log sum up to; the key is that of `services.slow_log`."""

    key: str
    calls: int
    total_time_ns: int
    rows: int


@dataclass(frozen=True)
class LogTotalsUpload:
    """The live slow log from `position` to before `until`, summed for the audit of that number.

    `totals` has every statement whose key is greater than `after_key` and not greater than `last_key` (None: no end).
    """

    envelope: Envelope
    audit: int
    generation: str
    position: int
    until: int
    after_key: str
    last_key: str | None
    totals: list[LogTotals]


Upload = SlowLogUpload | BareUpload | SnapshotUpload | TextsUpload | LogTotalsUpload


def parse_upload(body: Mapping[str, Any], *, engine: Engine = Engine.MYSQL) -> Upload:
    """Return the upload that the body describes. Unknown members are ignored; wrong ones raise `Invalid`.

    `engine` is that of the statements in a bare upload.
    """
    reader = Reader(body)
    if body.get("source") is None:
        upload: Upload = _bare(reader, engine)
    else:
        source = reader.choice("source", Source)
        envelope = _envelope(reader, source)
        if source is Source.SLOW_LOG and body.get("totals") is not None:
            upload = _log_totals(reader, envelope)
        elif source is Source.SLOW_LOG:
            upload = _slow_log(reader, envelope)
        elif body.get("texts") is not None:
            upload = TextsUpload(envelope, reader.each("texts", _text, limits.MAX_TEXTS_WANTED))
        else:
            upload = _snapshot(reader, envelope)
    if reader.errors:
        raise Invalid(reader.errors)
    return upload


def _envelope(reader: Reader, source: Source) -> Envelope:
    return Envelope(
        source=source,
        epoch=reader.integer("epoch", default=0),
        age_seconds=reader.seconds("age_seconds", default=0, maximum=limits.MAX_AGE_SECONDS),
        interval_seconds=reader.optional_seconds("interval_seconds"),
        completeness=_completeness(reader),
    )


def _completeness(reader: Reader) -> Mapping[str, Any]:
    value = reader.body.get("completeness")
    if value is None:
        return {}
    if not isinstance(value, dict):
        reader.fail("completeness", "An object is needed.")
        return {}
    inner = Reader(value, "completeness.", reader.errors)
    known: dict[str, Any] = {}
    for name in _COMPLETENESS_NUMBERS:
        number = value.get(name)
        if number is None:
            # Rows were lost, and nobody knows how many: that is more than to say nothing about them.
            if name == "lost_rows" and name in value:
                known[name] = None
            continue
        if type(number) not in (int, float) or not math.isfinite(number) or abs(number) > limits.MAX_REPORTED_COUNT:
            inner.fail(name, "A number is needed.")
        else:
            known[name] = number
    reasons = value.get("reasons", [])
    if not isinstance(reasons, list) or len(reasons) > 20 or not all(isinstance(text, str) for text in reasons):
        inner.fail("reasons", "A list of at most 20 texts is needed.")
    elif reasons:
        known["reasons"] = [text[: limits.MAX_NAME_CHARACTERS] for text in reasons]
    return known


def _slow_log(reader: Reader, envelope: Envelope) -> SlowLogUpload:
    queries = reader.each("queries", _slow_query, limits.MAX_QUERIES_PER_UPLOAD)
    generation = reader.hexadecimal("generation", 64)
    row_hash = reader.hexadecimal("row_hash", 64)
    if queries and generation is None:
        reader.fail("generation", "This member is required.")
    if queries and row_hash is None:
        reader.fail("row_hash", "This member is required.")
    return SlowLogUpload(
        envelope=envelope,
        generation=generation,
        position=reader.integer("position", default=0, maximum=limits.MAX_REPORTED_COUNT),
        row_hash=row_hash,
        lost_rows=reader.integer("lost_rows", default=0, maximum=limits.MAX_REPORTED_COUNT),
        queries=queries,
    )


def _bare(reader: Reader, engine: Engine) -> BareUpload:
    return BareUpload(
        upload_id=reader.optional_text("upload_id", maximum=64),
        queries=reader.each("queries", lambda item: _bare_query(item, engine), limits.MAX_QUERIES_PER_UPLOAD),
    )


def _slow_query(reader: Reader) -> SlowQuery:
    fingerprint = reader.text("fingerprint", maximum=limits.MAX_FINGERPRINT_CHARACTERS)
    fingerprint_id = reader.hexadecimal("fingerprint_id", 16)
    if fingerprint_id is None:
        reader.fail("fingerprint_id", "This member is required.")
    return _execution(reader, fingerprint, fingerprint_id)


def _bare_query(reader: Reader, engine: Engine) -> SlowQuery:
    name = next(
        (name for name in ("fingerprint", "sql_text", "query") if reader.body.get(name) is not None), "fingerprint"
    )
    text = reader.text(name, minimum=1, maximum=limits.MAX_FINGERPRINT_CHARACTERS)
    return _execution(reader, mask_literals(text, engine=engine), None)


def _execution(reader: Reader, fingerprint: str, fingerprint_id: str | None) -> SlowQuery:
    return SlowQuery(
        fingerprint=fingerprint,
        fingerprint_id=fingerprint_id.upper() if fingerprint_id else None,
        query_time_ns=_nanoseconds(reader, "query_time"),
        lock_time_ns=_nanoseconds(reader, "lock_time"),
        rows_sent=reader.integer("rows_sent", default=0, maximum=limits.MAX_REPORTED_COUNT),
        rows_examined=reader.integer("rows_examined", default=0, maximum=limits.MAX_REPORTED_COUNT),
        rows_affected=reader.integer("rows_affected", default=0, maximum=limits.MAX_REPORTED_COUNT),
        database=reader.text("database", default="", maximum=limits.MAX_NAME_CHARACTERS),
        user=reader.text("user", default="", maximum=limits.MAX_NAME_CHARACTERS),
        host=reader.text("host", default="", maximum=255),
        age_seconds=reader.optional_seconds("age_seconds"),
        started_at=_moment(reader, "started_at"),
        time_approximate=reader.boolean("time_approximate"),
    )


def _nanoseconds(reader: Reader, name: str) -> int:
    """Return a time in seconds as nanoseconds, exact to the microsecond that slow logs carry."""
    return round(reader.seconds(name, default=0, maximum=limits.MAX_QUERY_SECONDS) * 1_000_000) * 1_000


def _moment(reader: Reader, name: str) -> datetime | None:
    value = reader.optional_text(name, maximum=40)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        reader.fail(name, "A time in ISO 8601 is needed.")
        return None
    if moment.tzinfo is None:
        reader.fail(name, "The time needs an offset from UTC, for example Z.")
        return None
    return moment


def _snapshot(reader: Reader, envelope: Envelope) -> SnapshotUpload:
    parts = reader.integer("parts", default=1, minimum=1, maximum=limits.MAX_SNAPSHOT_PARTS)
    upload = SnapshotUpload(
        envelope=envelope,
        seq=reader.integer("seq", minimum=1),
        snapshot_id=reader.hexadecimal("snapshot_id", 32) or "",
        part=reader.integer("part", default=1, minimum=1, maximum=parts),
        parts=parts,
        rows=reader.integer("rows", maximum=limits.MAX_SNAPSHOT_PARTS * limits.MAX_QUERIES_PER_UPLOAD),
        server_id=reader.text("server_id", minimum=1, maximum=100),
        generation=reader.text("generation", minimum=1, maximum=200),
        generation_age_seconds=reader.optional_seconds("generation_age_seconds", maximum=100 * limits.MAX_AGE_SECONDS),
        evictions_total=reader.optional_integer("evictions_total"),
        audit=reader.optional_integer("audit"),
        queries=reader.each("queries", _snapshot_row, limits.MAX_QUERIES_PER_UPLOAD),
    )
    if not upload.snapshot_id:
        reader.fail("snapshot_id", "This member is required.")
    return upload


def _snapshot_row(reader: Reader) -> SnapshotRow:
    return SnapshotRow(
        key=reader.text("key", minimum=1, maximum=_LONGEST_KEY),
        digest=reader.text("digest", default="", maximum=64),
        database=reader.text("database", default="", maximum=limits.MAX_NAME_CHARACTERS),
        user=reader.text("user", default="", maximum=limits.MAX_NAME_CHARACTERS),
        absolute=Absolute(
            calls=reader.integer("calls"),
            total_time_ns=reader.integer("total_time_ns", default=0),
            rows=reader.integer("rows", default=0),
            min_time_ns=reader.optional_integer("min_time_ns"),
            max_time_ns=reader.optional_integer("max_time_ns"),
            since=reader.optional_text("since", maximum=64),
            counters=_counters(reader),
        ),
    )


def _counters(reader: Reader) -> dict[str, int]:
    value = reader.body.get("counters")
    if value is None:
        return {}
    if not isinstance(value, dict):
        reader.fail("counters", "An object is needed.")
        return {}
    inner = Reader(value, f"{reader.prefix}counters.", reader.errors)
    return {name: inner.integer(name) for name in COUNTERS if value.get(name) is not None}


def _log_totals(reader: Reader, envelope: Envelope) -> LogTotalsUpload:
    generation = reader.hexadecimal("generation", 64)
    if generation is None:
        reader.fail("generation", "This member is required.")
    return LogTotalsUpload(
        envelope=envelope,
        audit=reader.integer("audit", minimum=1),
        generation=generation or "",
        position=reader.integer("position", default=0),
        until=reader.integer("until"),
        after_key=reader.text("after_key", default="", maximum=_LONGEST_KEY),
        last_key=reader.optional_text("last_key", maximum=_LONGEST_KEY),
        totals=reader.each("totals", _log_total, limits.MAX_QUERIES_PER_UPLOAD),
    )


def _log_total(reader: Reader) -> LogTotals:
    return LogTotals(
        key=reader.text("key", minimum=1, maximum=_LONGEST_KEY),
        calls=reader.integer("calls"),
        total_time_ns=reader.integer("total_time_ns"),
        rows=reader.integer("rows"),
    )


def _text(reader: Reader) -> StatementText:
    key = reader.text("key", minimum=1, maximum=255)
    fingerprint = reader.optional_text("fingerprint", maximum=limits.MAX_FINGERPRINT_CHARACTERS)
    fingerprint_id = reader.hexadecimal("fingerprint_id", 16)
    if (fingerprint is None) != (fingerprint_id is None):
        reader.fail("fingerprint_id", "Text and id come together.")
    return StatementText(key, fingerprint_id.upper() if fingerprint_id else None, fingerprint)
