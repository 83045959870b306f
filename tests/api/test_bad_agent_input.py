"""What agents send that is wrong: refused whole, in the one error shape, and nothing has changed."""

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from django.db import connection

from collectors.domain import limits
from tests.api.callers import content_of, is_error, signed_in, with_key
from tests.api.routes import ROUTES, Things
from tests.api.test_bad_input import everything
from tests.services.uploading import slow_log, snapshot, statement

pytestmark = pytest.mark.django_db

HEARTBEAT = next(route for route in ROUTES if route.template.endswith("heartbeat"))
EXECUTE = next(route for route in ROUTES if route.template.endswith("execute"))

STATS: list[dict[str, Any]] = [
    {"queries_collected": -1},
    {"queries_collected": 10**15 + 1},
    {"errors_count": 2**63},
    {"uptime_seconds": 1.5},
    {"uptime_seconds": "x"},
    {"instance": "z" * 32},
    {"instance": "a" * 31},
    {"version": "v" * 33},
    {"config_version": 2**31},
    {"last_collection_age_seconds": "NaN"},
    {"last_collection_age_seconds": "Infinity"},
    {"last_collection_age_seconds": -1},
    {"last_collection_age_seconds": 10**12},
    {"source": []},
    {"source": {"detail": "d" * 2001}},
    {"spool": {"bytes": -5}},
    {"spool": "x"},
    {"stopping": "perhaps"},
]


@pytest.mark.parametrize("stats", STATS, ids=str)
@pytest.mark.parametrize("settled", [False, True])
def test_a_heartbeat_with_a_wrong_number_is_refused_whole(
    stats: dict[str, Any], settled: bool, prepared: Things
) -> None:
    sender, path = with_key(prepared.cast.key), HEARTBEAT.path(prepared.ids)
    if settled:
        sender.post(path, {"stats": {"instance": "a" * 32}})
    before = everything()
    answer = sender.post(path, {"stats": {"queries_collected": 5, "errors_count": 5, **stats}})
    assert (answer.status_code, is_error(answer)) == (400, True)
    assert all(name.startswith("stats") for name in content_of(answer)["errors"])
    assert everything() == before


def test_a_heartbeat_may_have_members_of_a_newer_agent(prepared: Things) -> None:
    answer = with_key(prepared.cast.key).post(HEARTBEAT.path(prepared.ids), {"stats": {"new": 1}, "newer": {}})
    assert answer.status_code == 200


def test_a_result_may_be_any_json_up_to_16_kib(prepared: Things) -> None:
    sender, path = with_key(prepared.cast.key), EXECUTE.path(prepared.ids)
    answer = sender.post(path, {"success": True, "result": "x" * (16 << 10)})
    assert (answer.status_code, list(content_of(answer)["errors"])) == (400, ["result"])
    answer = sender.post(path, {"success": True, "result": "🐘" * 4000})
    assert answer.status_code == 200, "16,000 bytes as they are sent"


def bulk(prepared: Things, content: bytes, **headers: str) -> Any:
    sender = with_key(prepared.cast.key)
    return sender.post("queries/bulk", content, headers={"Content-Encoding": "gzip", **headers})


GZIPPED = gzip.compress(json.dumps(slow_log(0, 2)).encode())


def test_an_upload_may_be_compressed(prepared: Things) -> None:
    assert content_of(bulk(prepared, GZIPPED))["accepted"] == 1, "the first row was there"


def bomb(size: int) -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    piece = b" " * (1 << 20)
    return b"".join([compressor.compress(piece) for _ in range(size >> 20)] + [compressor.flush()])


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (GZIPPED[:-5], 400),
        (GZIPPED[:20], 400),
        (GZIPPED + b"x", 400),
        (GZIPPED[:30] + b"\0\0\0\0" + GZIPPED[34:], 400),
        (bomb(17 << 20), 413),
        (bomb(512 << 20), 413),
        (gzip.compress(b"["), 400),
        (gzip.compress(b"x" * (1 << 20), compresslevel=0), 413),
    ],
    ids=[
        "empty",
        "plain",
        "cut",
        "cut early",
        "followed",
        "broken",
        "17 MiB",
        "512 MiB",
        "no JSON",
        "compressed 1 MiB",
    ],
)
def test_a_compressed_body_is_bounded_and_checked(content: bytes, status: int, prepared: Things) -> None:
    before = everything()
    answer = bulk(prepared, content)
    assert (answer.status_code, is_error(answer)) == (status, True)
    assert everything() == before


def test_a_bomb_is_stopped_while_it_grows(prepared: Things) -> None:
    content = bomb(512 << 20)
    tracemalloc.start()
    try:
        assert bulk(prepared, content).status_code == 413
        assert tracemalloc.get_traced_memory()[1] < 4 * limits.MAX_DECOMPRESSED_BYTES
    finally:
        tracemalloc.stop()


def test_people_do_not_send_compressed_bodies(prepared: Things) -> None:
    answer = signed_in(prepared.cast.root).post("teams", gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        {"queries": [{"query": "x" * 100_001}]},
        {"queries": [{"query": "select 1", "rows_sent": 10**16}]},
        {"queries": [{}] * 5001},
        {**slow_log(0, 1), "position": 2**63},
        {**slow_log(0, 1), "generation": "short"},
        snapshot(1, {**statement("a", 1), "calls": True}),
        {"source": "pg_stat_statements", "texts": [{"key": "k" * 300}], "queries": []},
    ],
)
def test_an_upload_with_wrong_members_is_refused_whole(body: dict[str, Any], prepared: Things) -> None:
    before = everything()
    answer = with_key(prepared.cast.key).post("queries/bulk", body)
    assert (answer.status_code, is_error(answer)) == (400, True)
    assert content_of(answer)["errors"]
    assert everything() == before


def test_absurd_numbers_of_an_agent_do_not_break_what_people_read(prepared: Things) -> None:
    most = {"calls": 2**63 - 1, "total_time_ns": 2**63 - 1}
    sender = with_key(prepared.cast.warehouse_key)
    sender.post("queries/bulk", snapshot(1))
    rows = [{**statement(key, 0), **most} for key in ("a", "b")]
    texts = [{"key": key, "fingerprint_id": "0" * 16, "fingerprint": "x"} for key in ("a", "b")]
    assert sender.post("queries/bulk", snapshot(2, *rows)).status_code == 200
    sender.post("queries/bulk", {"source": "pg_stat_statements", "texts": texts, "queries": []})
    answer = signed_in(prepared.cast.root).get("queries")
    # SQLite cannot add them up.
    assert answer.status_code == (200 if connection.vendor == "postgresql" else 400)
