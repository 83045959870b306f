"""Slow-log rows: each is stored once, whatever is sent again, late, overlapping or at once."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from collectors.domain.sources import Engine
from collectors.models import Bucket, Gap, LogCursor, MonitoredDatabase, ReceivedUpload, SlowQuery, Statement
from collectors.models.completeness import GapKind
from collectors.services.errors import Conflict
from collectors.services.uploads import Taken
from tests.cast import Cast, register
from tests.services.uploading import GENERATION, send, slow_log, slow_query
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def positions(cast: Cast) -> list[int | None]:
    rows = SlowQuery.objects.filter(database_id=cast.collector.database_id).order_by("position")
    return list(rows.values_list("position", flat=True))


def totals(cast: Cast) -> dict[str, Any]:
    buckets = Bucket.objects.filter(database_id=cast.collector.database_id)
    return buckets.aggregate(calls=Sum("calls"), time=Sum("total_time_ns"), rows=Sum("rows"))


def test_rows_buckets_and_cursor_move_together(cast: Cast) -> None:
    taken = send(cast.collector, slow_log(0, 3))
    assert taken == Taken(accepted=3, cursor={"generation": GENERATION, "position": 3, "row_hash": f"{3:064x}"})
    assert positions(cast) == [0, 1, 2]
    assert totals(cast) == {"calls": 3, "time": 1_500_000_000, "rows": 6}
    bucket = Bucket.objects.get()
    assert (bucket.rows_examined, bucket.min_time_ns, bucket.max_time_ns) == (0 + 1 + 2, 500_000_000, 500_000_000)


def test_the_same_upload_again_adds_nothing(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    again = send(cast.collector, slow_log(0, 3))
    assert (again.accepted, again.duplicates) == (0, 3)
    assert totals(cast)["calls"] == 3


def test_an_overlapping_upload_adds_its_new_rows_only(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    taken = send(cast.collector, slow_log(1, 4))
    assert (taken.accepted, taken.duplicates) == (2, 2)
    assert positions(cast) == [0, 1, 2, 3, 4]
    examined = SlowQuery.objects.order_by("position").values_list("rows_examined", flat=True)
    assert list(examined) == [0, 1, 2, 3, 4]


def test_an_upload_above_the_cursor_is_a_conflict_with_the_cursor_and_changes_nothing(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    with pytest.raises(Conflict) as refusal:
        send(cast.collector, slow_log(5, 2))
    assert refusal.value.code == "cursor_mismatch"
    assert refusal.value.state == {"cursor": {"generation": GENERATION, "position": 3, "row_hash": f"{3:064x}"}}
    assert positions(cast) == [0, 1, 2]


def test_a_first_upload_above_the_beginning_leaves_no_cursor_behind(cast: Cast) -> None:
    with pytest.raises(Conflict):
        send(cast.collector, slow_log(5, 2))
    assert not LogCursor.objects.exists()


def test_rows_declared_lost_are_a_gap_and_the_cursor_passes_over_them(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    taken = send(cast.collector, slow_log(10, 2, lost_rows=7))
    assert taken.accepted == 2
    assert positions(cast) == [0, 1, 2, 10, 11]
    assert [(gap.kind, gap.amount) for gap in Gap.objects.all()] == [(GapKind.LOST_ROWS, 7)]
    send(cast.collector, slow_log(10, 2, lost_rows=7))
    assert Gap.objects.count() == 1


def test_lost_rows_can_be_declared_without_any_row(cast: Cast) -> None:
    body = {"source": "slow_log", "generation": GENERATION, "position": 9, "lost_rows": 9, "queries": []}
    assert send(cast.collector, body).cursor == {"generation": GENERATION, "position": 9, "row_hash": None}
    assert Gap.objects.get().amount == 9


def test_an_empty_upload_asks_for_the_cursor(cast: Cast) -> None:
    ask = {"source": "slow_log", "queries": []}
    assert send(cast.collector, ask).cursor is None
    unknown = {"generation": "f" * 64, "position": 0, "row_hash": None}
    assert send(cast.collector, {**ask, "generation": "f" * 64}).cursor == unknown
    send(cast.collector, slow_log(0, 3))
    send(cast.collector, slow_log(0, 1, generation="b" * 64))
    assert send(cast.collector, {**ask, "generation": GENERATION}).cursor == {
        "generation": GENERATION,
        "position": 3,
        "row_hash": f"{3:064x}",
    }
    latest = send(cast.collector, ask).cursor
    assert latest is not None
    assert latest["generation"] == "b" * 64


def test_each_generation_has_a_cursor_of_its_own(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    assert send(cast.collector, slow_log(0, 2, generation="b" * 64)).accepted == 2
    assert send(cast.collector, slow_log(3, 1)).accepted == 1


def test_two_collectors_of_one_database_share_its_cursor(cast: Cast) -> None:
    second, _ = register(cast.shop, "second", Engine.MYSQL)
    second.database = cast.collector.database
    second.save()
    send(cast.collector, slow_log(0, 3))
    assert send(second, slow_log(0, 3)).duplicates == 3


def test_another_database_with_the_same_generation_is_another_log(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    assert send(cast.foreign_collector, slow_log(0, 3)).accepted == 3
    assert positions(cast) == [0, 1, 2]
    assert set(SlowQuery.objects.values_list("organization_id", flat=True)) == {cast.example.pk, cast.sample.pk}


def test_any_chopping_repeating_and_shuffling_stores_each_row_once(cast: Cast) -> None:
    dice = random.Random(7)
    last = refused = 0
    for _ in range(60):
        first = max(0, last + dice.randrange(-8, 4))
        length = dice.randrange(1, 7)
        if first > last:
            refused += 1
            with pytest.raises(Conflict):
                send(cast.collector, slow_log(first, length))
        else:
            send(cast.collector, slow_log(first, length))
            last = max(last, first + length)
    assert refused > 5
    assert last == LogCursor.objects.get().position > 20
    assert positions(cast) == list(range(last))
    assert totals(cast)["calls"] == last


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_store_each_row_once(cast: Cast) -> None:
    def upload(first: int) -> Callable[[], Taken]:
        return lambda: send(cast.collector, slow_log(first, 10))

    for start in (0, 10, 20):
        results = at_once(*[upload(max(0, start - back)) for back in (0, 0, 3, 5, 7)])
        assert not [result for result in results if isinstance(result, Exception)], results
    assert positions(cast) == list(range(30))
    assert totals(cast)["calls"] == 30


def test_a_failure_in_the_middle_leaves_rows_and_cursor_as_they_were(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collectors.services import completeness

    send(cast.collector, slow_log(0, 3))

    def fail(**_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(completeness, "record_reported", fail)
    with pytest.raises(RuntimeError):
        send(cast.collector, slow_log(3, 3))
    assert (positions(cast), totals(cast)["calls"], LogCursor.objects.get().position) == ([0, 1, 2], 3, 3)


def test_times_are_counted_back_from_the_receipt(cast: Cast) -> None:
    body = slow_log(0, 1, age_seconds=60, queries=[slow_query(age_seconds=600)])
    send(cast.collector, body)
    ago = timezone.now() - SlowQuery.objects.get().started_at
    assert timedelta(seconds=660) <= ago < timedelta(seconds=670)


def test_a_time_that_is_not_told_is_marked_as_approximate(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(age_seconds=None), slow_query(time_approximate=True)]))
    assert set(SlowQuery.objects.values_list("time_approximate", flat=True)) == {True}


def test_rows_older_than_the_retention_are_counted_as_missing_and_the_cursor_moves_on(cast: Cast) -> None:
    old = slow_query(age_seconds=95 * 86_400)
    taken = send(cast.collector, slow_log(0, 3, queries=[old, old, slow_query(2)]))
    assert taken.accepted == 3
    assert positions(cast) == [2]
    gap = Gap.objects.get()
    assert (gap.kind, gap.amount) == (GapKind.EXPIRED, 2)


def test_what_the_agent_knows_to_be_missing_is_kept_once(cast: Cast) -> None:
    body = slow_log(0, 2, completeness={"missed_polls": 3, "approximate_rows": 1, "evictions": 0, "reasons": ["slow"]})
    send(cast.collector, body)
    send(cast.collector, body)
    kept = {(gap.kind, gap.amount, gap.detail) for gap in Gap.objects.all()}
    assert kept == {(GapKind.MISSED, 3, "slow"), (GapKind.APPROXIMATE, 1, "slow")}
    assert Gap.objects.count() == 2


def test_rows_lost_in_unknown_number_are_a_gap_of_unknown_size(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, completeness={"lost_rows": None, "reasons": ["truncated"]}))
    gap = Gap.objects.get()
    assert (gap.kind, gap.amount, gap.detail) == (GapKind.LOST_ROWS, None, "truncated")


def test_uploads_that_a_spool_dropped_are_a_gap_with_their_number(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, completeness={"spool_dropped_files": 4}))
    send(cast.collector, slow_log(2, 2, completeness={"spool_dropped_files": 0}))
    assert [(gap.kind, gap.amount) for gap in Gap.objects.all()] == [(GapKind.SPOOL, 4)]


def test_statements_of_one_text_in_two_schemas_share_a_fingerprint(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(database="shop"), slow_query(database="crm")]))
    assert Statement.objects.count() == 2
    assert Statement.objects.values("fingerprint").distinct().count() == 1


def test_no_organization_shares_fingerprints_with_another(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 1))
    send(cast.foreign_collector, slow_log(0, 1, queries=[slow_query(fingerprint="another text")]))
    texts = Statement.objects.values_list("organization_id", "fingerprint__text")
    assert set(texts) == {(cast.example.pk, "select ?"), (cast.sample.pk, "another text")}


BARE = {"queries": [{"query": "select 'canary' from t", "query_time": 2, "started_at": "2026-01-01T00:00:00Z"}]}


def test_a_bare_upload_is_masked_and_counts_once(cast: Cast) -> None:
    recent = {**BARE["queries"][0], "started_at": (timezone.now() - timedelta(hours=1)).isoformat()}
    body = {"queries": [recent]}
    first, second = send(cast.collector, body), send(cast.collector, body)
    assert (first.accepted, first.duplicates, second.accepted, second.duplicates) == (1, 0, 0, 1)
    assert totals(cast) == {"calls": 1, "time": 2_000_000_000, "rows": 0}
    text = Statement.objects.values_list("fingerprint__text", flat=True).get()
    assert text == "select ? from t"


def test_an_upload_id_names_an_upload_instead_of_its_content(cast: Cast) -> None:
    body = {"queries": [{"query": "select 1"}]}
    assert send(cast.collector, {**body, "upload_id": "one"}).accepted == 1
    assert send(cast.collector, {**body, "upload_id": "two"}).accepted == 1
    assert send(cast.collector, {"queries": [], "upload_id": "two"}).accepted == 0
    assert send(cast.foreign_collector, {**body, "upload_id": "two"}).accepted == 1
    assert ReceivedUpload.objects.count() == 3


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-14:00", "2037-01-01T00:00:00Z"],
)
def test_whatever_a_clock_says_the_time_stays_within_bounds(cast: Cast, moment: str) -> None:
    assert send(cast.collector, {"queries": [{"query": "select 1", "started_at": moment}]}).accepted == 1
    now = timezone.now()
    for row in SlowQuery.objects.all():
        assert row.started_at <= now
    for gap in Gap.objects.all():
        assert now - timedelta(days=367) <= gap.covered_from <= gap.covered_to <= now


@pytest.mark.django_db(transaction=True)
def test_the_same_bare_upload_at_once_counts_once(cast: Cast) -> None:
    body = {"queries": [{"query": "select 1"}] * 5}
    results = at_once(*[lambda: send(cast.collector, body) for _ in range(4)])
    assert not [result for result in results if isinstance(result, Exception)], results
    assert totals(cast)["calls"] == 5


def test_a_removed_database_takes_its_numbers_along(cast: Cast) -> None:
    from collectors.services.collectors import delete_collector
    from collectors.services.databases import delete_database
    from tests.cast import SOMEBODY

    send(cast.collector, slow_log(0, 3))
    send(cast.foreign_collector, slow_log(0, 2))
    database = MonitoredDatabase.objects.get(pk=cast.collector.database_id)
    with pytest.raises(Conflict):
        delete_database(database=database, actor=SOMEBODY)
    delete_collector(collector=cast.collector, actor=SOMEBODY)
    delete_database(database=database, actor=SOMEBODY)
    assert (SlowQuery.objects.count(), Bucket.objects.count(), Statement.objects.count()) == (2, 1, 1)
