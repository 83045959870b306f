"""What agents call: keys, heartbeats, results, uploads."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string
from pytest_django import Settings

from collectors.domain.commands import CommandType
from collectors.domain.keys import generate_key
from collectors.models import Collection, Collector, Command, ControlPlane, Heartbeat, Organization, SlowQuery
from collectors.services import collector_keys
from collectors.services.commands import request_command
from tests.api.callers import ANYBODY, Caller, content_of, is_error, signed_in, with_key
from tests.cast import SOMEBODY, Cast
from tests.services.uploading import GENERATION, slow_log, snapshot, statement

pytestmark = pytest.mark.django_db

INSTANCE = "a" * 32


def beat(cast: Cast, body: Any = None, key: str = "") -> dict[str, Any]:
    answer = with_key(key or cast.key).post(f"collectors/{cast.collector.pk}/heartbeat", {} if body is None else body)
    assert answer.status_code == 200, answer.content
    content: dict[str, Any] = content_of(answer)
    return content


def test_the_answer_to_a_heartbeat_is_the_wires(cast: Cast) -> None:
    answer = beat(cast, {"stats": {"instance": INSTANCE, "queries_collected": 1}})
    moment = datetime.fromisoformat(answer.pop("server_time"))
    assert abs(moment - timezone.now()) < timedelta(seconds=5)
    assert answer == {
        "status": "ok",
        "commands": [],
        "auto_collect": True,
        "collection_interval_minutes": 5,
        "config_version": 1,
        "lease": {"held": True, "epoch": 1, "expires_in_seconds": 75},
        "rotate_key": False,
        "next_heartbeat_seconds": 30,
    }


def test_a_heartbeat_in_the_steady_state_is_one_statement(cast: Cast, django_assert_num_queries: Any) -> None:
    body = {"stats": {"instance": INSTANCE, "queries_collected": 1, "errors_count": 0, "auto_collect": True}}
    beat(cast, body)
    with django_assert_num_queries(1):
        beat(cast, body)


def test_a_heartbeat_without_a_body_is_enough(cast: Cast) -> None:
    answer = with_key(cast.key).post(f"collectors/{cast.collector.pk}/heartbeat")
    assert answer.status_code == 200
    assert Heartbeat.objects.get(pk=cast.collector.pk).status == "ONLINE"


def test_what_an_agent_reports_is_what_people_see(cast: Cast) -> None:
    beat(
        cast,
        {
            "stats": {
                "instance": INSTANCE.upper(),
                "version": "0.1.0",
                "queries_collected": 12,
                "errors_count": 2,
                "uptime_seconds": 33,
                "agent_clock_seconds": time.time() - 192,
                "last_collection_age_seconds": 60,
                "source": {"name": "slow_log", "readable": False, "code": "grant", "detail": "d", "remedy": "GRANT"},
                "spool": {"files": 1, "bytes": 2, "dropped_files": 3},
            },
            "error": "cannot read\n",
        },
    )
    seen = content_of(signed_in(cast.bob).get(f"collectors/{cast.collector.pk}"))
    shown = {"queries_collected": 12, "errors_count": 2, "uptime_seconds": 33, "last_error": "cannot read"}
    assert {name: seen[name] for name in shown} == shown
    assert (seen["status"], seen["is_online"], seen["agent_version"]) == ("ERROR", True, "0.1.0")
    assert seen["clock_skew_seconds"] == pytest.approx(-192, abs=2)
    assert (seen["source"]["remedy"], seen["spool"]["dropped_files"]) == ("GRANT", 3)
    ago = timezone.now() - datetime.fromisoformat(seen["last_collection"])
    assert timedelta(seconds=58) < ago < timedelta(seconds=70)


ALIVE = {"source": {"name": "slow_log", "readable": True}, "spool": {"files": 0, "data_age_seconds": 5}}


@pytest.mark.parametrize(
    ("stats", "silent_seconds", "shown"),
    [
        ({}, 0, {"is_online": True, "source_readable": None, "data_fresh": False}),
        (ALIVE, 0, {"is_online": True, "source_readable": True, "data_fresh": True}),
        (ALIVE, 300, {"is_online": False, "source_readable": True, "data_fresh": True}),
        (ALIVE, 3600, {"is_online": False, "source_readable": True, "data_fresh": False}),
        (
            {**ALIVE, "source": {"name": "slow_log", "readable": False}},
            0,
            {"is_online": True, "source_readable": False, "data_fresh": True},
        ),
        (
            {**ALIVE, "spool": {"files": 9, "data_age_seconds": 5000}},
            0,
            {"is_online": True, "source_readable": True, "data_fresh": False},
        ),
    ],
)
def test_agent_alive_source_readable_and_data_fresh_are_three_things(
    cast: Cast, stats: dict[str, Any], silent_seconds: int, shown: dict[str, Any]
) -> None:
    beat(cast, {"stats": {"instance": INSTANCE, **stats}})
    ControlPlane.objects.update(accepting_since=timezone.now() - timedelta(days=1))
    heard = timezone.now() - timedelta(seconds=silent_seconds)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(last_heartbeat=heard)
    seen = content_of(signed_in(cast.bob).get(f"collectors/{cast.collector.pk}"))
    assert {name: seen[name] for name in shown} == shown
    database = content_of(signed_in(cast.carol).get(f"databases/{cast.collector.database_id}"))
    assert (database["data_until"], database["data_fresh"]) == (seen["data_until"], seen["data_fresh"])


def test_a_database_that_nobody_collects_from_has_no_fresh_data(cast: Cast) -> None:
    database = content_of(signed_in(cast.carol).get(f"databases/{cast.collector.database_id}"))
    assert (database["data_until"], database["data_fresh"]) == (None, False)


def refusals(cast: Cast) -> list[str]:
    key = cast.key
    return [
        "",
        "x",
        generate_key(cast.collector.pk),
        generate_key(10**12),
        key[:-1],
        key + "a",
        key.upper(),
        f" {key[:-2]}",
        f"collector_{10**18 * 9}_" + "a" * 43,
        "collector_999999999999999999999999_" + "a" * 43,
        "\xff\xfe" * 30,
        "collector_1_" + "a" * 1_000_000,
        f"{key}, {key}",
    ]


def test_every_wrong_key_is_refused_alike(cast: Cast) -> None:
    path = f"collectors/{cast.collector.pk}/heartbeat"
    before = Heartbeat.objects.values().get(pk=cast.collector.pk)
    answers = [with_key(key).post(path, {}) for key in refusals(cast)]
    answers += [
        ANYBODY.post(path, {}),
        with_key(cast.foreign_key).post(path, {}),
        with_key(cast.warehouse_key).post(path, {}),
    ]
    answers += [with_key(key).post("queries/bulk", {"queries": []}) for key in refusals(cast)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert len({str(sorted(answer.items())) for answer in answers}) == 1
    assert is_error(answers[0])
    assert Heartbeat.objects.values().get(pk=cast.collector.pk) == before


def test_a_wrong_key_is_refused_before_the_body_is_looked_at(cast: Cast) -> None:
    wrong = with_key(generate_key(cast.collector.pk))
    for path in (f"collectors/{cast.collector.pk}/heartbeat", "queries/bulk"):
        assert wrong.post(path, b"{").status_code == 401
        assert wrong.post(path, b"x", content_type="text/plain").status_code == 401


def test_a_key_in_the_address_is_refused(cast: Cast) -> None:
    path = f"collectors/{cast.collector.pk}/heartbeat"
    for name in ("api_key", "X-Collector-API-Key", "key"):
        assert ANYBODY.post(path, {}, QUERY_STRING=f"{name}={cast.key}").status_code == 401


def test_the_key_of_one_collector_does_nothing_to_another(cast: Cast) -> None:
    agent = with_key(cast.key)
    other = cast.warehouse_collector
    command = content_of(signed_in(cast.dave).post(f"collectors/{other.pk}/collect"))["id"]
    before = Heartbeat.objects.values().get(pk=other.pk)
    assert agent.post(f"collectors/{other.pk}/heartbeat", {}).status_code == 401
    assert agent.post(f"collectors/{other.pk}/commands/{command}/execute", {"success": True}).status_code == 401
    answer = agent.post(f"collectors/{cast.collector.pk}/commands/{command}/execute", {"success": True})
    assert (answer.status_code, content_of(answer)["code"]) == (404, "not_found")
    body = {**slow_log(0, 1), "collector_id": other.pk, "database_id": other.database_id}
    assert agent.post("queries/bulk", body).status_code == 200
    assert SlowQuery.objects.get().database_id == cast.collector.database_id
    assert Heartbeat.objects.values().get(pk=other.pk) == before
    assert Command.objects.get(pk=command).state == "pending"


def test_literals_of_a_bare_upload_end_where_the_database_s_engine_has_it(cast: Cast) -> None:
    body = {"queries": [{"query": r"select 'C:\', 'secret'"}]}
    assert with_key(cast.warehouse_key).post("queries/bulk", body).status_code == 200
    fingerprint = SlowQuery.objects.get().statement.fingerprint
    assert fingerprint is not None
    assert fingerprint.text == "select ?, ?"


def test_both_a_token_and_a_key_are_each_good_for_their_own_side_only(cast: Cast) -> None:
    both = Caller({**signed_in(cast.root).headers, **with_key(cast.key).headers})
    assert both.get("collectors").status_code == 200
    assert both.post(f"collectors/{cast.collector.pk}/heartbeat", {}).status_code == 200
    assert with_key(cast.key).get("collectors").status_code == 401
    assert signed_in(cast.root).post("queries/bulk", {"queries": []}).status_code == 401


def test_a_command_goes_its_way(cast: Cast) -> None:
    bob, agent = signed_in(cast.bob), with_key(cast.key)
    beat(cast)
    asked = bob.post(f"collectors/{cast.collector.pk}/stop")
    assert asked.status_code == 202
    number = content_of(asked)["id"]
    answer = beat(cast)
    assert [(c["id"], c["command"], c["params"]) for c in answer["commands"]] == [(number, "stop", {})]
    assert answer["auto_collect"] is False
    path = f"collectors/{cast.collector.pk}/commands/{number}/execute"
    first = agent.post(path, {"success": True, "result": {"note": "done"}})
    second = agent.post(path, {"success": True, "result": {"note": "done"}})
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    other = agent.post(path, {"success": False})
    assert (other.status_code, content_of(other)["code"], content_of(other)["state"]) == (
        409,
        "command_ended",
        "succeeded",
    )
    history = content_of(bob.get(f"collectors/{cast.collector.pk}/commands"))["commands"]
    assert [(c["state"], c["executed"], c["result"]) for c in history] == [("succeeded", True, {"note": "done"})]
    assert content_of(bob.get(f"collectors/{cast.collector.pk}"))["status"] == "STOPPED"
    late = bob.post(f"collectors/{cast.collector.pk}/commands/{number}/cancel")
    assert (late.status_code, content_of(late)["code"]) == (409, "command_ended")


def test_a_result_that_comes_too_late_is_a_conflict(cast: Cast) -> None:
    number = content_of(signed_in(cast.bob).post(f"collectors/{cast.collector.pk}/collect"))["id"]
    Command.objects.update(expires_at=Now())
    path = f"collectors/{cast.collector.pk}/commands/{number}/execute"
    answer = with_key(cast.key).post(path, {"success": True})
    assert (answer.status_code, content_of(answer)["state"]) == (409, "expired")


def test_a_changed_configuration_reaches_the_agent_and_no_one_else(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    config = {"host": "db2", "port": 3307, "password": "canary-x", "tls": {"mode": "verify_ca", "ca": "/ca.pem"}}
    changed = content_of(bob.patch(f"collectors/{cast.collector.pk}", {"config": config}))
    assert changed["config_version"] == 2
    assert changed["config"] == {name: value for name, value in config.items() if name != "password"}
    command = beat(cast)["commands"][0]
    assert (command["command"], command["params"]) == ("update_config", {"config": config, "config_version": 2})
    assert "canary" not in bob.get(f"collectors/{cast.collector.pk}/commands").content.decode()
    path = f"collectors/{cast.collector.pk}/commands/{command['id']}/execute"
    assert "canary" not in with_key(cast.key).post(path, {"success": True}).content.decode()


def test_a_rotated_key_works_before_the_old_one_ends(cast: Cast) -> None:
    answer = signed_in(cast.bob).post(f"collectors/{cast.collector.pk}/rotate-key")
    assert answer["Cache-Control"] == "no-store"
    new = content_of(answer)["api_key"]
    left = datetime.fromisoformat(content_of(answer)["previous_key_expires_at"]) - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    beat(cast, key=new)
    beat(cast, key=cast.key)
    assert with_key(new).post("queries/bulk", {"queries": []}).status_code == 200
    Collector.objects.filter(pk=cast.collector.pk).update(previous_key_expires_at=Now())
    assert with_key(cast.key).post("queries/bulk", {"queries": []}).status_code == 401
    beat(cast, key=new)


def test_a_removed_collectors_key_ends_at_once(cast: Cast) -> None:
    assert signed_in(cast.bob).delete(f"collectors/{cast.collector.pk}").status_code == 204
    for path in (f"collectors/{cast.collector.pk}/heartbeat", "queries/bulk"):
        assert with_key(cast.key).post(path, {}).status_code == 401


@pytest.mark.parametrize("what", ["upload", "empty upload", "report", "key"])
def test_a_key_that_is_revoked_while_the_body_comes_in_changes_nothing_any_more(
    what: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    collector_keys.request_rotation(collector=cast.collector, actor=SOMEBODY)
    parser = import_string("collectors.api.parsing.StrictJSONParser")
    real = parser.parse

    def slow(self: Any, *arguments: Any, **options: Any) -> Any:
        collector_keys.revoke(collector=cast.collector, actor=SOMEBODY)
        return real(self, *arguments, **options)

    monkeypatch.setattr(parser, "parse", slow)
    own = f"collectors/{cast.collector.pk}"
    answer = {
        "upload": lambda agent: agent.post("queries/bulk", slow_log(0, 2)),
        "empty upload": lambda agent: agent.post("queries/bulk", {"queries": []}),
        "report": lambda agent: agent.post(f"{own}/commands/{asked.pk}/execute", {"success": True, "result": None}),
        "key": lambda agent: agent.send("PUT", f"{own}/key", {"sha256": "0" * 64}),
    }[what](with_key(cast.key))
    assert (answer.status_code, content_of(answer)["code"]) == (401, "key_not_valid")
    assert not SlowQuery.objects.exists()
    assert Command.objects.get().state == "pending"
    assert Collector.objects.get(pk=cast.collector.pk).api_key_hash == ""


@pytest.mark.parametrize("what", ["heartbeat", "upload", "report", "key", "refused heartbeat"])
def test_every_request_of_an_agent_is_a_use_of_its_key(what: str, cast: Cast) -> None:
    beat(cast)
    agent = with_key(cast.key)
    own, there = f"collectors/{cast.collector.pk}", {"REMOTE_ADDR": "203.0.113.66"}
    if what == "heartbeat":
        agent.post(f"{own}/heartbeat", {}, **there)
    elif what == "upload":
        agent.post("queries/bulk", {"queries": []}, **there)
    elif what == "report":
        agent.post(f"{own}/commands/1/execute", {"success": True}, **there)
    elif what == "key":
        agent.send("PUT", f"{own}/key", {"sha256": "0" * 64}, **there)
    else:
        agent.post(f"{own}/heartbeat", {"stats": 1}, **there)
    shown = content_of(signed_in(cast.bob).get(own))["keys"]
    assert shown["last_used_address"] == "203.0.113.66"
    assert shown["last_used_at"] is not None


def test_what_is_shown_of_keys_is_true_of_each(cast: Cast, settings: Settings) -> None:
    settings.DBPOWER_KEY_MAX_AGE_DAYS = 30
    own, me = f"collectors/{cast.collector.pk}", signed_in(cast.bob)
    with_key(cast.key).post(f"{own}/heartbeat", {}, REMOTE_ADDR="192.0.2.9")
    new = content_of(me.post(f"{own}/rotate-key"))["api_key"]
    shown = content_of(me.get(own))["keys"]
    assert (shown["last_used_at"], shown["last_used_address"], shown["expires_at"]) == (None, "", None)
    assert (shown["previous_is_good"], shown["previous_last_used_address"]) == (True, "192.0.2.9")
    with_key(new).post(f"{own}/heartbeat", {}, REMOTE_ADDR="192.0.2.10")
    shown = content_of(me.get(own))["keys"]
    assert (shown["last_used_address"], shown["previous_last_used_address"]) == ("192.0.2.10", "192.0.2.9")
    due = datetime.fromisoformat(shown["rotation_due_at"]) - datetime.fromisoformat(shown["created_at"])
    assert (due, shown["expires_at"]) == (timedelta(days=30), None)


def test_an_agent_without_a_key_is_not_asked_for_one(cast: Cast) -> None:
    own, me = f"collectors/{cast.collector.pk}", signed_in(cast.bob)
    me.post(f"{own}/revoke-key")
    answer = me.post(f"{own}/rotate-key", {"by": "agent"})
    assert (answer.status_code, content_of(answer)["code"]) == (409, "no_key")
    assert content_of(me.post(f"{own}/rotate-key"))["previous_key_expires_at"] is None


def test_an_upload_above_the_cursor_is_a_conflict_with_the_cursor(cast: Cast) -> None:
    agent = with_key(cast.key)
    first = content_of(agent.post("queries/bulk", slow_log(0, 2)))
    cursor = {"generation": GENERATION, "position": 2, "row_hash": f"{2:064x}"}
    assert first == {"accepted": 2, "duplicates": 0, "stale": False, "cursor": cursor, "text_wanted": []}
    answer = agent.post("queries/bulk", slow_log(5, 2))
    assert answer.status_code == 409
    assert (content_of(answer)["code"], content_of(answer)["cursor"]) == ("cursor_mismatch", cursor)
    assert is_error(answer)


def test_a_snapshot_of_another_engine_is_refused(cast: Cast) -> None:
    answer = with_key(cast.key).post("queries/bulk", snapshot(1, statement("a", 1)))
    assert (answer.status_code, list(content_of(answer)["errors"])) == (400, ["source"])


def test_a_snapshot_is_answered_with_the_texts_that_are_wanted(cast: Cast) -> None:
    agent = with_key(cast.warehouse_key)
    agent.post("queries/bulk", snapshot(1, statement("a", 1)))
    answer = content_of(agent.post("queries/bulk", snapshot(2, statement("a", 2))))
    assert (answer["accepted"], answer["text_wanted"]) == (1, ["a"])
    assert answer["cursor"] == {"generation": "7301:1", "epoch": 1, "seq": 2}
    again = content_of(agent.post("queries/bulk", snapshot(2, statement("a", 2))))
    assert (again["accepted"], again["stale"]) == (0, True)


def test_what_an_agent_brought_is_listed_newest_first_within_its_retention(cast: Cast) -> None:
    agent = with_key(cast.key)
    for seq in (1, 2, 2):
        agent.post(
            "queries/bulk", snapshot(seq, statement("a", 5 * seq), source="performance_schema", age_seconds=9 - seq)
        )
    bob = signed_in(cast.bob)
    rows = content_of(bob.get(f"collectors/{cast.collector.pk}/collections"))["collections"]
    assert [(row["calls"], row["stale"], row["rows"]) for row in rows] == [
        (None, True, 1),
        (5, False, 1),
        (None, False, 1),
    ]
    ages = [datetime.fromisoformat(row["received_at"]) - datetime.fromisoformat(row["read_at"]) for row in rows]
    assert ages[1] == timedelta(seconds=7)
    assert content_of(bob.get(f"collectors/{cast.collector.pk}/collections?source=slow_log"))["count"] == 0
    Collection.objects.update(started_at=timezone.now() - timedelta(days=3))
    Organization.objects.filter(pk=cast.example.pk).update(history_retention_days=1)
    assert content_of(bob.get(f"collectors/{cast.collector.pk}/collections"))["count"] == 0
