"""The control plane takes the golden requests and answers in the shape of the golden answers."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from collectors.domain.commands import CommandType
from collectors.models import Collector, Fingerprint, Heartbeat, LedgerAudit, LogCursor, Plan
from collectors.services.collectors import change_collector
from collectors.services.commands import request_command
from collectors.services.plan_requests import request_plan
from tests.cast import SOMEBODY, Cast
from tests.plannable import plannable

pytestmark = pytest.mark.django_db
FOLDER = Path(__file__).parent


def golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return content


def send(client: Client, path: str, key: str, body: dict[str, Any]) -> HttpResponse:
    headers = {"X-Collector-API-Key": key}
    response = client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=headers)
    assert isinstance(response, HttpResponse)
    return response


def shape(value: Any) -> Any:
    """Names and types, without values; a list is as its first member is, and any number is a number."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if type(value) in (int, float) else type(value).__name__


def test_a_heartbeat_is_taken_and_answered_with_the_golden_shape(cast: Cast, client: Client) -> None:
    request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    answer = send(client, f"collectors/{cast.collector.pk}/heartbeat", cast.key, golden("heartbeat_request.json"))
    assert answer.status_code == 200, answer.content
    told, expected = json.loads(answer.content), golden("heartbeat_answer.json")
    assert shape({**told, "commands": told["commands"][:1]}) == shape(
        {**expected, "commands": expected["commands"][:1]}
    )


def test_everything_a_heartbeat_says_is_kept(cast: Cast, client: Client) -> None:
    request = golden("heartbeat_request.json")
    send(client, f"collectors/{cast.collector.pk}/heartbeat", cast.key, request)
    kept = Heartbeat.objects.get(pk=cast.collector.pk)
    stats = request["stats"]
    assert (kept.queries_collected, kept.errors_count, kept.uptime_seconds) == (120, 1, 3600)
    assert (kept.instance, kept.version, kept.config_version) == (stats["instance"], stats["version"], 3)
    assert (kept.source, kept.spool) == (stats["source"], stats["spool"])
    assert kept.last_error == request["error"]
    assert kept.clock_skew_seconds == pytest.approx(stats["agent_clock_seconds"] - time.time(), abs=5)
    assert kept.last_collection is not None


def test_what_a_heartbeat_says_of_two_sources_is_kept(cast: Cast, client: Client) -> None:
    request = golden("heartbeat_request_two_sources.json")
    answer = send(client, f"collectors/{cast.collector.pk}/heartbeat", cast.key, request)
    assert answer.status_code == 200, answer.content
    assert Heartbeat.objects.get(pk=cast.collector.pk).source == request["stats"]["source"]


def test_a_new_configuration_is_delivered_with_the_golden_shape(cast: Cast, client: Client) -> None:
    config = golden("heartbeat_answer.json")["commands"][1]["params"]["config"]
    change_collector(collector=cast.collector, config=config, actor=SOMEBODY)
    answer = send(client, f"collectors/{cast.collector.pk}/heartbeat", cast.key, {})
    command = json.loads(answer.content)["commands"][0]
    assert shape(command) == shape(golden("heartbeat_answer.json")["commands"][1])
    assert command["params"]["config"] == config


def test_the_name_of_a_local_secret_is_delivered_with_the_golden_shape(cast: Cast, client: Client) -> None:
    wanted = golden("update_config_local_secret.json")
    change_collector(collector=cast.collector, config=wanted["params"]["config"], actor=SOMEBODY)
    command = json.loads(send(client, f"collectors/{cast.collector.pk}/heartbeat", cast.key, {}).content)["commands"][0]
    assert shape(command) == shape(wanted)
    assert command["params"]["config"] == wanted["params"]["config"]


def test_a_report_is_taken(cast: Cast, client: Client) -> None:
    command = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    path = f"collectors/{cast.collector.pk}/commands/{command.pk}/execute"
    assert send(client, path, cast.key, golden("execute_request.json")).status_code == 200
    command.refresh_from_db()
    assert (command.state, command.result) == ("succeeded", golden("execute_request.json")["result"])


def test_a_plan_is_asked_for_and_taken_with_the_golden_shape(cast: Cast, client: Client) -> None:
    wanted = golden("explain_command.json")
    fingerprint = Fingerprint.objects.create(
        organization=cast.example, fingerprint_id=wanted["params"]["fingerprint_id"], text="select ?"
    )
    statement = plannable(cast.collector, fingerprint, wanted["params"]["key"])
    request_plan(statement=statement, actor=SOMEBODY)
    path = f"collectors/{cast.collector.pk}"
    command = json.loads(send(client, f"{path}/heartbeat", cast.key, {}).content)["commands"][0]
    assert shape(command) == shape(wanted)
    assert command["params"] == wanted["params"]
    result = golden("explain_result.json")
    assert send(client, f"{path}/commands/{command['id']}/execute", cast.key, result).status_code == 200
    assert Plan.objects.get().nodes == result["result"]["plan"]["nodes"]


def test_rows_of_a_slow_log_are_taken_compressed_and_answered_with_the_golden_shape(cast: Cast, client: Client) -> None:
    upload = golden("slow_log_upload.json")
    at_cursor(cast.collector, upload, upload["position"])
    answer = client.post(
        "/api/v1/queries/bulk",
        gzip.compress(json.dumps(upload).encode()),
        content_type="application/json",
        headers={"X-Collector-API-Key": cast.key, "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 200, answer.content
    expected = {**golden("upload_answer.json"), "text_wanted": []}
    assert shape(json.loads(answer.content)) == shape(expected)


def test_an_upload_above_the_cursor_is_refused_with_the_golden_shape(cast: Cast, client: Client) -> None:
    upload = golden("slow_log_upload.json")
    at_cursor(cast.collector, upload, upload["position"] - 1)
    answer = send(client, "queries/bulk", cast.key, upload)
    assert answer.status_code == 409
    told = json.loads(answer.content)
    assert shape(told) == shape(golden("cursor_mismatch.json"))
    assert told["code"] == golden("cursor_mismatch.json")["code"]


def at_cursor(collector: Collector, upload: dict[str, Any], position: int) -> None:
    LogCursor.objects.create(
        organization_id=collector.organization_id,
        database_id=collector.database_id,
        generation=upload["generation"],
        position=position,
        row_hash=upload["row_hash"],
    )


def test_a_snapshot_and_the_texts_that_were_asked_for_are_taken(cast: Cast, client: Client) -> None:
    snapshot = golden("snapshot_upload.json")
    baseline = {**snapshot, "seq": snapshot["seq"] - 1, "rows": 0, "queries": []}
    assert send(client, "queries/bulk", cast.warehouse_key, baseline).status_code == 200
    answer = json.loads(send(client, "queries/bulk", cast.warehouse_key, snapshot).content)
    assert answer["accepted"] == 1
    assert answer["text_wanted"] == [snapshot["queries"][0]["key"]]
    texts = json.loads(send(client, "queries/bulk", cast.warehouse_key, golden("texts_upload.json")).content)
    assert texts["accepted"] == 1


def test_a_snapshot_of_digests_is_taken(cast: Cast, client: Client) -> None:
    snapshot = golden("digest_snapshot_upload.json")
    baseline = {**snapshot, "seq": snapshot["seq"] - 1, "rows": 0, "queries": []}
    assert send(client, "queries/bulk", cast.key, baseline).status_code == 200
    answer = json.loads(send(client, "queries/bulk", cast.key, snapshot).content)
    assert (answer["accepted"], answer["text_wanted"]) == (1, [snapshot["queries"][0]["key"]])


def test_totals_of_a_log_are_taken_and_compared(cast: Cast, client: Client) -> None:
    body = golden("log_totals_upload.json")
    command = request_command(collector=cast.collector, command=CommandType.AUDIT, actor=SOMEBODY)
    answer = send(client, "queries/bulk", cast.key, body | {"audit": command.pk})
    assert answer.status_code == 200, answer.content
    compared = LedgerAudit.objects.earliest("pk")
    assert (compared.source, compared.differing, compared.counted_calls, compared.stored_calls) == ("slow_log", 1, 2, 0)
    assert compared.worst[0]["key"] == body["totals"][0]["key"]


def test_totals_for_an_audit_that_nobody_asked_for_change_nothing(cast: Cast, client: Client) -> None:
    body = golden("log_totals_upload.json")
    foreign = request_command(collector=cast.foreign_collector, command=CommandType.AUDIT, actor=SOMEBODY)
    for number in (foreign.pk, 999_999):
        assert send(client, "queries/bulk", cast.key, body | {"audit": number}).status_code == 200
    assert not LedgerAudit.objects.exists()
