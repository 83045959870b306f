"""Audits between snapshots; tests/faults/test_audit_ledger.py has live servers."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.domain.commands import CommandType
from collectors.models import Bucket, LedgerAudit, SnapshotBaseline
from collectors.services import rollups
from collectors.services.commands import request_command
from tests.cast import SOMEBODY, Cast
from tests.services.uploading import SERVER, send, snapshot, statement

pytestmark = pytest.mark.django_db


def audited(cast: Cast, seq: int, *rows: object, **members: object) -> LedgerAudit:
    """Send the snapshot as the answer to an audit; return what was found."""
    command = request_command(collector=cast.warehouse_collector, command=CommandType.AUDIT, actor=SOMEBODY)
    send(cast.warehouse_collector, snapshot(seq, *rows, audit=command.pk, **members))  # type: ignore[arg-type]
    return LedgerAudit.objects.get(command=command)


def test_what_was_counted_before_the_first_snapshot_is_on_neither_side(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1, statement("a", 1000)))
    send(cast.warehouse_collector, snapshot(2, statement("a", 1004), statement("b", 3)))
    found = audited(cast, 3, statement("a", 1005), statement("b", 3))
    assert (found.differing, found.statements, found.counted_calls, found.stored_calls) == (0, 2, 8, 8)


def test_evicted_statements_that_come_back_agree(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1, statement("a", 10)))
    send(cast.warehouse_collector, snapshot(2, statement("a", 14)))
    send(cast.warehouse_collector, snapshot(3))
    found = audited(cast, 4, statement("a", 2))
    assert (found.differing, found.stored_calls) == (0, 6)


def test_a_failover_there_and_back_agrees(cast: Cast) -> None:
    other: dict[str, Any] = {"generation": "other:1", "server_id": "other"}
    send(cast.warehouse_collector, snapshot(1, statement("a", 10)))
    send(cast.warehouse_collector, snapshot(2, statement("a", 500), **other))
    send(cast.warehouse_collector, snapshot(3, statement("a", 507), **other))
    send(cast.warehouse_collector, snapshot(4, statement("a", 12)))
    found = audited(cast, 5, statement("a", 13))
    assert found.differing == 0
    assert sum(Bucket.objects.values_list("calls", flat=True)) == 10
    assert audited(cast, 6, statement("a", 509), **other).differing == 0


def test_a_server_that_began_anew_agrees(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1, statement("a", 10)))
    anew = {"generation": f"{SERVER}:2", "generation_age_seconds": 0}
    found = audited(cast, 2, statement("a", 4), **anew)
    assert (found.differing, found.stored_calls) == (0, 4)


def test_numbers_that_were_rolled_up_are_compared_too(cast: Cast) -> None:
    hours_ago = {"age_seconds": 5 * 3600}
    send(cast.warehouse_collector, snapshot(1, statement("a", 10), **hours_ago))
    send(cast.warehouse_collector, snapshot(2, statement("a", 17), **hours_ago))
    rollups.roll_up()
    Bucket.objects.all().delete()
    found = audited(cast, 3, statement("a", 18))
    assert (found.differing, found.stored_calls) == (0, 8)


@pytest.mark.parametrize("calls", [5, 0])
def test_a_bucket_that_was_changed_is_named(cast: Cast, calls: int) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 4), statement("b", 3)))
    Bucket.objects.filter(statement__key="a").update(calls=calls)
    found = audited(cast, 3, statement("a", 4), statement("b", 3))
    assert [(one["key"], one["counted"]["calls"], one["stored"]["calls"]) for one in found.worst] == [("a", 4, calls)]


def test_a_beginning_of_which_numbers_are_removed_is_taken_anew(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1, statement("a", 10)))
    send(cast.warehouse_collector, snapshot(2, statement("a", 14)))
    SnapshotBaseline.objects.update(opened_at=timezone.now() - timedelta(days=100))
    Bucket.objects.all().delete()
    found = audited(cast, 3, statement("a", 15))
    assert (found.differing, found.stored_calls) == (0, 1)
    assert found.since > timezone.now() - timedelta(days=1)


def test_baselines_of_before_audits_begin_with_the_next_snapshot(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1, statement("a", 10)))
    SnapshotBaseline.objects.update(opening=None, opened_at=None)
    found = audited(cast, 2, statement("a", 11))
    assert (found.differing, found.stored_calls) == (0, 1)
