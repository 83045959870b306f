"""Uploads as agents send them, shortened for tests."""

from typing import Any

from django.utils import timezone

from collectors.domain.sources import Engine
from collectors.domain.uploads import parse_upload
from collectors.models import Bucket, Collector
from collectors.services import uploads
from collectors.services.uploads import Taken

GENERATION = "a" * 64
SERVER = "7301"


def send(collector: Collector, body: dict[str, Any]) -> Taken:
    """Upload the body as the collector's agent."""
    upload = parse_upload(body, engine=Engine(collector.type))
    return uploads.take_upload(
        collector=collector, key_digest=collector.api_key_hash, upload=upload, received_at=timezone.now()
    )


def slow_query(number: int = 0, **members: Any) -> dict[str, Any]:
    """Return a row of a slow log: `number` tells it from others by the rows it examined."""
    row = {"fingerprint_id": "0" * 16, "fingerprint": "select ?", "query_time": 0.5, "rows_sent": 2, "age_seconds": 1.0}
    return {**row, "rows_examined": number, "database": "shop", "user": "app", "host": "10.0.0.7", **members}


def slow_log(first: int, count: int, **members: Any) -> dict[str, Any]:
    """Return an upload of the rows from position `first` on."""
    return {
        "source": "slow_log",
        "generation": GENERATION,
        "position": first,
        "row_hash": f"{first + count:064x}",
        "queries": [slow_query(first + index) for index in range(count)],
        **members,
    }


def statement(key: str, calls: int, **members: Any) -> dict[str, Any]:
    """Return a row of a snapshot: each call took a millisecond and returned three rows."""
    row = {"key": key, "digest": f"d{key}", "database": "shop", "user": "app", "calls": calls}
    return {**row, "total_time_ns": calls * 1_000_000, "rows": 3 * calls, **members}


def snapshot(seq: int, *rows: dict[str, Any], epoch: int = 1, **members: Any) -> dict[str, Any]:
    """Return a whole snapshot."""
    return {
        "source": "pg_stat_statements",
        "epoch": epoch,
        "seq": seq,
        "snapshot_id": f"{epoch:016x}{seq:016x}",
        "rows": len(rows),
        "server_id": SERVER,
        "generation": f"{SERVER}:1",
        "queries": list(rows),
        **members,
    }


def digests(seq: int, *rows: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a whole snapshot of performance_schema."""
    return snapshot(seq, *rows, **{"source": "performance_schema", **members})


def calls(collector: Collector) -> dict[str, int]:
    """Return what the buckets of the collector's database say: calls by statement key."""
    found: dict[str, int] = {}
    for bucket in Bucket.objects.filter(database_id=collector.database_id).select_related("statement"):
        found[bucket.statement.key] = found.get(bucket.statement.key, 0) + bucket.calls
    return found
