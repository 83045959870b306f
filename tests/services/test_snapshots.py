"""Snapshots: applied whole, once, in order, and counted from what they may be counted from."""

import json
import random
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collectors.models import Bucket, Fingerprint, Gap, SnapshotBaseline, SnapshotPart, Statement
from collectors.models.completeness import GapKind
from collectors.models.statements import TextState
from collectors.services.errors import Refused
from collectors.services.uploads import Taken
from tests.cast import Cast
from tests.services.uploading import SERVER, calls, digests, send, snapshot, statement
from tests.threads import at_once

pytestmark = pytest.mark.django_db

ANEW = f"{SERVER}:2"


def upload(cast: Cast, body: dict[str, Any]) -> Taken:
    return send(cast.warehouse_collector, body)


def counted(cast: Cast) -> dict[str, int]:
    return calls(cast.warehouse_collector)


def gaps() -> list[str]:
    return [gap.kind for gap in Gap.objects.order_by("pk")]


def test_the_first_snapshot_ever_is_the_baseline_only(cast: Cast) -> None:
    taken = upload(cast, snapshot(1, statement("a", 100)))
    assert (taken.accepted, taken.stale) == (1, False)
    assert taken.cursor == {"generation": f"{SERVER}:1", "epoch": 1, "seq": 1}
    assert counted(cast) == {}
    assert gaps() == [GapKind.BASELINE]


def test_the_next_adds_what_grew(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100), statement("b", 5)))
    upload(cast, snapshot(2, statement("a", 120), statement("b", 5), statement("c", 3)))
    assert counted(cast) == {"a": 20, "c": 3}
    bucket = Bucket.objects.get(statement__key="a")
    assert (bucket.total_time_ns, bucket.rows) == (20_000_000, 60)
    assert gaps() == [GapKind.BASELINE]


def test_the_same_snapshot_again_is_stale_and_adds_nothing(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100)))
    body = snapshot(2, statement("a", 120))
    upload(cast, body)
    again = upload(cast, body)
    assert (again.stale, again.accepted) == (True, 0)
    assert again.cursor == {"generation": f"{SERVER}:1", "epoch": 1, "seq": 2}
    assert counted(cast) == {"a": 20}


@pytest.mark.parametrize(("epoch", "seq"), [(2, 5), (2, 4), (1, 99)])
def test_one_that_is_not_newer_is_stale(cast: Cast, epoch: int, seq: int) -> None:
    upload(cast, snapshot(4, statement("a", 100), epoch=2))
    upload(cast, snapshot(5, statement("a", 110), epoch=2))
    assert upload(cast, snapshot(seq, statement("a", 500), epoch=epoch)).stale
    assert counted(cast) == {"a": 10}


def test_a_lost_one_costs_time_resolution_only(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100)))
    upload(cast, snapshot(9, statement("a", 150)))
    assert counted(cast) == {"a": 50}


def test_a_restarted_agent_goes_on_from_the_stored_baseline(cast: Cast) -> None:
    upload(cast, snapshot(7, statement("a", 100), epoch=1))
    upload(cast, snapshot(1, statement("a", 130), epoch=2))
    assert counted(cast) == {"a": 30}


def test_an_evicted_statement_that_returns_counts_from_zero(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100), statement("b", 1)))
    upload(cast, snapshot(2, statement("b", 1)))
    upload(cast, snapshot(3, statement("a", 4), statement("b", 1)))
    assert counted(cast) == {"a": 4}


@pytest.mark.parametrize("order", ["in order", "reversed", "repeated"])
def test_parts_are_applied_together_once(cast: Cast, order: str) -> None:
    upload(cast, snapshot(1, statement("a", 1), statement("b", 1), statement("c", 1)))
    rows = [statement("a", 11), statement("b", 21), statement("c", 31)]
    parts = [snapshot(2, row, rows=3, part=number, parts=3) for number, row in enumerate(rows, start=1)]
    sent = {"in order": parts, "reversed": parts[::-1], "repeated": [parts[0], parts[0], parts[2], parts[1], parts[2]]}
    results = [upload(cast, part) for part in sent[order]]
    assert [result.accepted for result in results if result.accepted] == [3]
    assert counted(cast) == {"a": 10, "b": 20, "c": 30}
    assert not SnapshotPart.objects.exists()


def test_parts_are_read_back_once_all_are_there(cast: Cast) -> None:
    """Each is up to a megabyte: reading all of them with every one that comes would be thousands for a hundred."""
    parts = [snapshot(2, statement(str(number), 1), rows=3, part=number, parts=3) for number in (1, 2, 3)]
    upload(cast, snapshot(1))
    read = []
    for part in parts:
        with CaptureQueriesContext(connection) as asked:
            upload(cast, part)
        read.append(sum('ORDER BY "snapshot_parts"."part"' in query["sql"] for query in asked))
    assert read == [0, 0, 1]


def test_an_incomplete_snapshot_changes_nothing(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 1)))
    upload(cast, snapshot(2, statement("a", 11), rows=2, part=1, parts=2))
    assert counted(cast) == {}
    assert upload(cast, snapshot(3, statement("a", 15))).accepted == 1
    assert counted(cast) == {"a": 14}


@pytest.mark.parametrize(
    "body",
    [
        snapshot(2, statement("a", 11), rows=2),
        snapshot(2, statement("a", 11), statement("a", 12)),
        snapshot(2, rows=1),
    ],
)
def test_a_snapshot_that_is_not_whole_is_refused_and_changes_nothing(cast: Cast, body: dict[str, Any]) -> None:
    upload(cast, snapshot(1, statement("a", 1)))
    with pytest.raises(Refused) as refusal:
        upload(cast, body)
    assert refusal.value.code == "incomplete_snapshot"
    assert counted(cast) == {}
    assert SnapshotBaseline.objects.get().seq == 1
    upload(cast, snapshot(2, statement("a", 3)))
    assert counted(cast) == {"a": 2}


@pytest.mark.parametrize(
    ("server", "age", "added", "gap"),
    [
        # The same server began anew after the last snapshot.
        (SERVER, 0.0, {"a": 7}, GapKind.GENERATION),
        # It began before: what it holds may have been counted already.
        (SERVER, 3600.0, {}, GapKind.GENERATION),
        (SERVER, None, {}, GapKind.GENERATION),
        ("another", 0.0, {}, GapKind.GENERATION),
    ],
)
def test_a_new_generation_counts_from_zero_only_where_that_is_known(
    cast: Cast, server: str, age: float | None, added: dict[str, int], gap: str
) -> None:
    upload(cast, snapshot(1, statement("a", 100)))
    body = snapshot(2, statement("a", 7), generation=ANEW, server_id=server, generation_age_seconds=age)
    assert upload(cast, body).accepted == 1
    assert counted(cast) == added
    assert gaps() == [GapKind.BASELINE, gap]


def losses() -> list[tuple[str, int | None]]:
    gaps = Gap.objects.exclude(kind=GapKind.BASELINE).order_by("pk")
    return [(gap.kind, gap.amount) for gap in gaps]


def test_evictions_are_counted_between_snapshots_whichever_agents_took_them(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 10), evictions_total=4))
    upload(cast, snapshot(2, statement("a", 11), evictions_total=4))
    upload(cast, snapshot(1, statement("b", 3), epoch=2, evictions_total=9))
    upload(cast, snapshot(1, statement("b", 3), epoch=2, evictions_total=9))
    assert losses() == [(GapKind.EVICTIONS, 5)]


def test_evictions_of_a_new_generation_count_from_its_beginning(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 10), evictions_total=400))
    upload(cast, snapshot(2, statement("b", 3), evictions_total=2, generation=ANEW, generation_age_seconds=0))
    assert losses() == [(GapKind.GENERATION, None), (GapKind.EVICTIONS, 2)]


@pytest.mark.parametrize("evictions", [0, None])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (statement("a", 10), []),
        (statement("a", 10), [statement("a", 2)]),
        (statement("a", 10, since="one"), [statement("a", 20, since="two")]),
    ],
    ids=["gone", "fallen", "renewed"],
)
def test_a_statement_whose_counters_were_thrown_away_alone_is_a_gap(
    cast: Cast, before: dict[str, Any], after: list[dict[str, Any]], evictions: int | None
) -> None:
    upload(cast, snapshot(1, before, evictions_total=evictions))
    upload(cast, snapshot(2, before, evictions_total=evictions))
    assert losses() == []
    upload(cast, snapshot(3, *after, evictions_total=evictions))
    assert losses() == [(GapKind.GENERATION, None)]


def test_baselines_of_the_first_version_are_understood(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 10)))
    rows = json.loads(zlib.decompress(bytes(SnapshotBaseline.objects.get().rows)))["rows"]
    SnapshotBaseline.objects.update(rows=zlib.compress(json.dumps(rows).encode()))
    upload(cast, snapshot(2, statement("a", 12), evictions_total=3))
    assert counted(cast) == {"a": 2}
    assert losses() == []


def test_a_failover_there_and_back_goes_on_from_each_baseline(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100)))
    upload(cast, snapshot(2, statement("a", 1000), generation="other:1", server_id="other"))
    upload(cast, snapshot(3, statement("a", 1010), generation="other:1", server_id="other"))
    upload(cast, snapshot(4, statement("a", 105)))
    assert counted(cast) == {"a": 15}


def test_sources_of_one_database_do_not_touch_each_other(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100)))
    with pytest.raises(Refused) as refusal:
        upload(cast, snapshot(2, statement("a", 200), source="performance_schema"))
    assert list(refusal.value.errors) == ["source"]
    assert SnapshotBaseline.objects.count() == 1


def test_the_time_of_a_bucket_lies_between_the_two_snapshots(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100), age_seconds=7200))
    upload(cast, snapshot(2, statement("a", 120)))
    ago = timezone.now() - Bucket.objects.get().started_at
    assert timedelta(seconds=3600 - 10) <= ago <= timedelta(seconds=3600 + 310)


def test_extremes_are_stored_only_when_they_moved(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100, min_time_ns=5, max_time_ns=60)))
    upload(cast, snapshot(2, statement("a", 110, min_time_ns=5, max_time_ns=60)))
    bucket = Bucket.objects.get()
    assert (bucket.min_time_ns, bucket.max_time_ns) == (None, None)
    upload(cast, snapshot(3, statement("a", 120, min_time_ns=4, max_time_ns=60)))
    bucket.refresh_from_db()
    assert (bucket.min_time_ns, bucket.max_time_ns, bucket.calls) == (4, None, 20)


def test_counters_that_an_engine_lacks_stay_null(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 100, counters={"wal_bytes": 10})))
    upload(cast, snapshot(2, statement("a", 110, counters={"wal_bytes": 25})))
    bucket = Bucket.objects.get()
    assert (bucket.wal_bytes, bucket.cpu_time_ns) == (15, None)


def test_texts_are_asked_for_once_and_stored(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 1), statement("b", 1)))
    taken = upload(cast, snapshot(2, statement("a", 2), statement("b", 2)))
    assert taken.text_wanted == ["a", "b"]
    texts = [
        {"key": "a", "fingerprint_id": "00000000000000ab", "fingerprint": "select $1"},
        {"key": "b", "fingerprint_id": None, "fingerprint": None},
        {"key": "unknown", "fingerprint_id": "00000000000000ac", "fingerprint": "x"},
    ]
    body = {"source": "pg_stat_statements", "texts": texts, "queries": []}
    assert upload(cast, body).accepted == 1
    assert upload(cast, body).accepted == 0
    assert upload(cast, snapshot(3, statement("a", 3), statement("b", 3))).text_wanted == []
    states = dict(Statement.objects.values_list("key", "text_state"))
    assert states == {"a": TextState.KNOWN, "b": TextState.UNAVAILABLE}
    known = Statement.objects.get(key="a").fingerprint
    assert known is not None
    assert (known.fingerprint_id, known.text) == ("00000000000000AB", "select $1")


def test_the_text_of_a_statement_that_was_dropped_before_it_came_is_asked_for_once_it_is_back(cast: Cast) -> None:
    upload(cast, snapshot(1))
    assert upload(cast, snapshot(2, statement("a", 1))).text_wanted == ["a"]
    gone = {"key": "a", "fingerprint_id": None, "fingerprint": None}
    upload(cast, {"source": "pg_stat_statements", "texts": [gone], "queries": []})
    assert upload(cast, snapshot(3, statement("a", 2))).text_wanted == []
    assert upload(cast, snapshot(4)).text_wanted == []
    assert upload(cast, snapshot(5, statement("a", 1))).text_wanted == ["a"]


def test_a_text_never_replaces_another_organizations(cast: Cast) -> None:
    for collector, text in ((cast.warehouse_collector, "ours"), (cast.foreign_collector, "theirs")):
        collector.type = "postgres"
        send(collector, snapshot(1, statement("a", 1)))
        send(collector, snapshot(2, statement("a", 2)))
        member = {"key": "a", "fingerprint_id": "0" * 16, "fingerprint": text}
        send(collector, {"source": "pg_stat_statements", "texts": [member], "queries": []})
    assert set(Fingerprint.objects.values_list("organization_id", "text")) == {
        (cast.example.pk, "ours"),
        (cast.sample.pk, "theirs"),
    }


def test_numbers_that_do_not_fit_are_refused_and_change_nothing(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 0)))
    most = 2**63 - 1
    row = {**statement("a", 0), "total_time_ns": most, "calls": most}
    upload(cast, snapshot(2, row, age_seconds=0))
    # A reset, and all of it once more within the same five minutes: the bucket cannot hold the sum.
    upload(cast, snapshot(3, age_seconds=0))
    if connection.vendor == "sqlite":
        # SQLite holds it as a floating-point number.
        assert upload(cast, snapshot(4, row, age_seconds=0)).accepted == 1
        return
    with pytest.raises(Refused) as refusal:
        upload(cast, snapshot(4, row, age_seconds=0))
    assert refusal.value.code == "invalid"
    assert SnapshotBaseline.objects.get().seq == 3


def test_any_repeating_and_shuffling_never_exceeds_the_truth(cast: Cast) -> None:
    dice = random.Random(11)
    bodies = [snapshot(seq, statement("a", 10 * seq)) for seq in range(1, 15)]
    sent = [dice.choice(bodies[: index + 3]) for index in range(len(bodies))] + [bodies[-1]]
    for body in sent:
        upload(cast, body)
    assert counted(cast) == {"a": 140 - 10 * int(sent[0]["seq"])}


@pytest.mark.django_db(transaction=True)
def test_the_same_snapshots_at_once_count_once(cast: Cast) -> None:
    upload(cast, snapshot(1, statement("a", 0), statement("b", 0)))

    def act(seq: int) -> Callable[[], Taken]:
        return lambda: upload(cast, snapshot(seq, statement("a", 10 * seq), statement("b", seq)))

    results = at_once(*[act(seq) for seq in (2, 3, 4, 4, 3, 2)])
    assert not [result for result in results if isinstance(result, Exception)], results
    assert counted(cast) == {"a": 40, "b": 4}


def test_calls_that_performance_schema_counts_only_together_are_kept_and_shown(cast: Cast) -> None:
    send(cast.collector, digests(1, statement(":", 100, digest="")))
    send(cast.collector, digests(2, statement(":", 130, digest=""), completeness={"digest_lost": 30}))
    assert calls(cast.collector) == {":": 30}
    assert [(gap.kind, gap.amount) for gap in Gap.objects.order_by("pk")] == [("baseline", None), ("overflow", 30)]


def test_an_emptied_table_of_digests_counts_from_zero_and_is_shown(cast: Cast) -> None:
    send(cast.collector, digests(1, statement("s:a", 100, since="one"), statement("s:b", 5, since="one")))
    send(cast.collector, digests(2, statement("s:a", 3, since="two")))
    send(cast.collector, digests(3, statement("s:a", 4, since="two")))
    assert calls(cast.collector) == {"s:a": 4}
    assert gaps() == ["baseline", "generation"]
