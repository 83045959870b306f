"""Uploads as they come from strangers: one of the wire's shapes or `Invalid`, never anything else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.domain import limits
from collectors.domain.reading import Invalid
from collectors.domain.uploads import BareUpload, SlowLogUpload, SnapshotUpload, TextsUpload, parse_upload

ROW = {"fingerprint_id": "0123456789ABCDEF", "fingerprint": "select ?", "query_time": 1.25, "rows_sent": 3}
SLOW = {
    "source": "slow_log",
    "epoch": 7,
    "age_seconds": 0.4,
    "generation": "a" * 64,
    "position": 120,
    "row_hash": "b" * 64,
    "queries": [ROW],
}
STATEMENT = {"key": "10:16384:-5134113:t", "digest": "-5134113", "calls": 120, "total_time_ns": 5, "rows": 1}
SNAPSHOT = {
    "source": "pg_stat_statements",
    "epoch": 7,
    "seq": 3,
    "snapshot_id": "c" * 32,
    "rows": 1,
    "server_id": "73",
    "generation": "73:1",
    "queries": [STATEMENT],
}
TEXTS = {
    "source": "pg_stat_statements",
    "texts": [{"key": "k", "fingerprint_id": "0123456789abcdef", "fingerprint": "select $1"}],
    "queries": [],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = sorted(
    {*SLOW, *SNAPSHOT, *TEXTS, "completeness", "parts", "part", "lost_rows", "upload_id", "interval_seconds"}
)
ROW_MEMBERS = sorted(
    {*ROW, *STATEMENT, "counters", "since", "min_time_ns", "started_at", "age_seconds", "query", "host"}
)


def errors_of(body: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as refusal:
        parse_upload(body)
    return refusal.value.errors


def refusal_of(body: dict[str, Any]) -> dict[str, list[str]] | None:
    """Return what is wrong with an upload, None when it is taken; anything but `Invalid` fails the test."""
    try:
        parse_upload(body)
    except Invalid as refusal:
        return refusal.errors
    return None


def test_each_shape_is_told_by_its_source() -> None:
    assert isinstance(parse_upload(SLOW), SlowLogUpload)
    assert isinstance(parse_upload(SNAPSHOT), SnapshotUpload)
    assert isinstance(parse_upload(TEXTS), TextsUpload)
    assert isinstance(parse_upload({"queries": []}), BareUpload)


def test_a_time_of_a_slow_query_is_exact_to_the_microsecond() -> None:
    upload = parse_upload({**SLOW, "queries": [{**ROW, "query_time": 0.000001, "lock_time": 3020399.999999}]})
    assert isinstance(upload, SlowLogUpload)
    assert upload.queries[0].query_time_ns == 1_000
    assert upload.queries[0].lock_time_ns == 3020399_999999_000


def test_a_bare_upload_is_masked_before_anything_else_sees_it() -> None:
    upload = parse_upload({"queries": [{"sql_text": "select 'secret', 5"}, {"query": "x = 'secret'"}]})
    assert isinstance(upload, BareUpload)
    assert [query.fingerprint for query in upload.queries] == ["select ?, ?", "x = ?"]


def test_unknown_members_and_unknown_counters_are_ignored() -> None:
    upload = parse_upload({**SNAPSHOT, "x": 1, "queries": [{**STATEMENT, "counters": {"wal_bytes": 5, "new_one": {}}}]})
    assert isinstance(upload, SnapshotUpload)
    assert upload.queries[0].absolute.counters == {"wal_bytes": 5}


def test_what_is_known_to_be_missing_is_kept_and_nothing_else() -> None:
    reasons = ["r" * 500, "short"]
    upload = parse_upload({**SLOW, "completeness": {"evictions": 3, "x": "y", "gap_seconds": 1.5, "reasons": reasons}})
    assert isinstance(upload, SlowLogUpload)
    kept = dict(upload.envelope.completeness)
    assert kept == {"evictions": 3, "gap_seconds": 1.5, "reasons": ["r" * limits.MAX_NAME_CHARACTERS, "short"]}


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "queries"),
        ({"queries": None}, "queries"),
        ({"queries": {}}, "queries"),
        ({"queries": [[]]}, "queries[0]"),
        ({"queries": [{}]}, "queries[0].fingerprint"),
        ({"queries": [{"query": ""}]}, "queries[0].query"),
        ({"queries": [{"query": "x", "started_at": "yesterday"}]}, "queries[0].started_at"),
        ({"queries": [{"query": "x", "started_at": "2026-01-01T00:00:00"}]}, "queries[0].started_at"),
        ({"queries": [], "upload_id": "x" * 65}, "upload_id"),
        ({"source": "oracle"}, "source"),
        ({"source": 5}, "source"),
        ({**SLOW, "generation": None}, "generation"),
        ({**SLOW, "generation": "z" * 64}, "generation"),
        ({**SLOW, "row_hash": None}, "row_hash"),
        ({**SLOW, "position": -1}, "position"),
        ({**SLOW, "position": True}, "position"),
        ({**SLOW, "position": 1.0}, "position"),
        ({**SLOW, "position": 10**40}, "position"),
        ({**SLOW, "age_seconds": float("nan")}, "age_seconds"),
        ({**SLOW, "age_seconds": -0.1}, "age_seconds"),
        ({**SLOW, "age_seconds": 1e300}, "age_seconds"),
        ({**SLOW, "completeness": []}, "completeness"),
        ({**SLOW, "completeness": {"evictions": True}}, "completeness.evictions"),
        ({**SLOW, "completeness": {"evictions": 10**40}}, "completeness.evictions"),
        ({**SLOW, "completeness": {"reasons": [5]}}, "completeness.reasons"),
        ({**SLOW, "queries": [{**ROW, "fingerprint_id": None}]}, "queries[0].fingerprint_id"),
        ({**SLOW, "queries": [{**ROW, "query_time": 1e12}]}, "queries[0].query_time"),
        ({**SLOW, "queries": [{**ROW, "time_approximate": 1}]}, "queries[0].time_approximate"),
        ({**SNAPSHOT, "seq": 0}, "seq"),
        ({**SNAPSHOT, "snapshot_id": None}, "snapshot_id"),
        ({**SNAPSHOT, "part": 2, "parts": 1}, "part"),
        ({**SNAPSHOT, "parts": 101}, "parts"),
        ({**SNAPSHOT, "generation": ""}, "generation"),
        ({**SNAPSHOT, "queries": [{**STATEMENT, "calls": 2**63}]}, "queries[0].calls"),
        ({**SNAPSHOT, "queries": [{**STATEMENT, "counters": {"wal_bytes": -1}}]}, "queries[0].counters.wal_bytes"),
        ({**SNAPSHOT, "queries": [{**STATEMENT, "key": "k" * 256}]}, "queries[0].key"),
        ({**TEXTS, "texts": [{"key": "k", "fingerprint": "select $1"}]}, "texts[0].fingerprint_id"),
    ],
)
def test_a_wrong_member_is_named(body: dict[str, Any], member: str) -> None:
    assert member in errors_of(body)


def test_an_upload_with_too_many_members_is_refused() -> None:
    assert "queries" in errors_of({**SLOW, "queries": [ROW] * (limits.MAX_QUERIES_PER_UPLOAD + 1)})


def test_of_many_wrong_rows_only_the_first_are_named() -> None:
    assert 20 <= len(errors_of({**SLOW, "queries": [{}] * 5000})) < 30


@given(JSON, st.sampled_from(MEMBERS), st.sampled_from([SLOW, SNAPSHOT, TEXTS, {"queries": [{"query": "x"}]}]))
@settings(max_examples=200)
def test_anything_in_any_member_gives_an_upload_or_invalid(value: Any, member: str, body: dict[str, Any]) -> None:
    assert refusal_of({**body, member: value}) != {}


@given(JSON, st.sampled_from(ROW_MEMBERS), st.sampled_from([(SLOW, ROW), (SNAPSHOT, STATEMENT), ({}, {"query": "x"})]))
@settings(max_examples=200)
def test_anything_in_a_row_gives_an_upload_or_invalid(
    value: Any, member: str, shape: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    body, row = shape
    assert refusal_of({**body, "queries": [{**row, member: value}]}) != {}


@given(st.dictionaries(st.sampled_from([*MEMBERS, "x"]), JSON))
def test_any_object_gives_an_upload_or_invalid(body: dict[str, Any]) -> None:
    assert refusal_of(body) != {}
