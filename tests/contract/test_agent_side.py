"""The agent's side of the contract: it sends and understands exactly the shapes of the golden files."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.client import Answer
from dbpower_agent.clock import Instant
from dbpower_agent.commands import NEEDS_LEASE, Command, CommandDesk, CommandResult, parse_command
from dbpower_agent.database_config import DatabaseConfig, parse_database_config
from dbpower_agent.heartbeat import HeartbeatThread
from dbpower_agent.plans import flatten
from dbpower_agent.sources.base import Source
from dbpower_agent.sources.digest_columns import COUNTERS, OWN, DigestColumns
from dbpower_agent.sources.mysql_facts import ServerFacts
from dbpower_agent.sources.pg_columns import COUNTS, Columns
from dbpower_agent.sources.pg_extension import Extension
from dbpower_agent.sources.pg_plans import Wanted
from dbpower_agent.sources.pg_stat_statements import Life, PgStatStatementsSource
from dbpower_agent.sources.slow_log_audit import parts_of, totals_of
from dbpower_agent.sources.slow_log_position import Cursor, Reading
from dbpower_agent.sources.slow_log_times import Window
from dbpower_agent.sources.slow_log_uploads import Poll, SegmentWriter
from dbpower_agent.sources.snapshot_parts import SnapshotParts
from dbpower_agent.sources.snapshots import Generation, SnapshotSeries
from dbpower_agent.state import AgentState, Lease, SourceStatus
from dbpower_agent.uploader import Uploader
from tests.agent.agents import make_tools
from tests.agent.backend import unpack

GOLDEN = Path(__file__).parent
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """The members and types of a JSON value; a whole number is as good as a number with a fraction."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__
    return "number"


class RecordingClient:
    """Takes uploads and gives the answers it was told to give."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []

    def upload(self, body: bytes) -> Answer:
        self.bodies.append(json.loads(unpack(body, "gzip")))
        return self.answers.pop(0) if self.answers else Answer(200, {"text_wanted": []})


class AskingSource:
    """A source that answers what the uploader asks, and remembers what it was asked."""

    name = "slow_log"

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.refused: list[Any] = []

    def wanted_texts(self, keys: list[str]) -> Iterator[Any]:
        self.wanted += keys
        return iter(())

    def cursor_refused(self, envelope: dict[str, Any], cursor: dict[str, Any] | None) -> int | None:
        self.refused.append(Cursor.from_json(cursor))
        return None


def make_state() -> AgentState:
    state = AgentState(collection_interval_minutes=5, config_version=3)
    state.set_lease(Lease(held=True, epoch=7))
    state.set_clock_skew(0.3)
    return state


def test_a_heartbeat_has_the_golden_shape() -> None:
    state = make_state()
    wanted = golden("heartbeat_request")
    state.set_auto_collect(on=True)
    state.collected(120)
    state.set_spool(files=0, size=0, dropped=0)
    state.set_spool(files=2, size=4096, dropped=1)
    state.set_source(SourceStatus(**wanted["stats"]["source"]))
    state.failed("source", wanted["error"])
    assert shape(state.heartbeat_body()) == shape(wanted)


def test_a_heartbeat_tells_what_the_hosts_clock_shows_and_nothing_else_goes_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = make_state()
    state.collected(1)
    right, true = state.heartbeat_body()["stats"], time.time
    monkeypatch.setattr(time, "time", lambda: true() - 192)
    wrong = state.heartbeat_body()["stats"]
    assert wrong.pop("agent_clock_seconds") - right.pop("agent_clock_seconds") == pytest.approx(-192, abs=1)
    assert wrong["last_collection_age_seconds"] - right["last_collection_age_seconds"] == pytest.approx(0, abs=1)
    assert wrong["uptime_seconds"] in {right["uptime_seconds"], right["uptime_seconds"] + 1}


def test_a_heartbeat_about_two_sources_has_the_golden_shape() -> None:
    state = make_state()
    wanted = golden("heartbeat_request_two_sources")
    for status in wanted["stats"]["source"]["sources"]:
        state.set_source(SourceStatus(**status))
    state.failed("source", wanted["error"])
    told = state.heartbeat_body()
    assert told["stats"]["source"] == wanted["stats"]["source"]
    assert shape(told["error"]) == shape(wanted["error"])


def test_the_golden_heartbeat_answer_is_carried_out() -> None:
    state = AgentState(collection_interval_minutes=1, config_version=3)
    desk = CommandDesk(state, report=lambda *_: None, wake=lambda: None)
    heartbeat = HeartbeatThread(lambda: None, state, desk, rotation=None, wake_collection=lambda: None, first_pause=1)  # type: ignore[arg-type,return-value]
    heartbeat._apply(Answer(200, golden("heartbeat_answer")))
    assert state.lease == Lease(held=True, epoch=7)
    assert (state.auto_collect, state.interval_seconds, heartbeat._pause) == (True, 300.0, 30.0)
    first, second = desk.next(), desk.next()
    assert isinstance(first, Command)
    assert isinstance(second, Command)
    assert (first.id, first.name, second.name) == (17, "collect", "update_config")
    parsed, problems = parse_database_config(second.params["config"])
    assert (problems, parsed.tls_mode, parsed.password) == ([], "verify_identity", "secret")


def test_the_golden_name_of_a_local_secret_is_understood() -> None:
    parsed, problems = parse_database_config(golden("update_config_local_secret")["params"]["config"])
    assert (problems, parsed.password_from, parsed.password) == ([], "orders", None)


def test_a_result_has_the_golden_shape() -> None:
    wanted = golden("execute_request")
    assert shape(CommandResult(success=True, result=wanted["result"]).as_json()) == shape(wanted)


def test_the_golden_command_for_a_plan_is_understood() -> None:
    command = parse_command(golden("explain_command"))
    assert command is not None
    assert command.name in NEEDS_LEASE
    wanted = Wanted.of(command.params)
    assert (wanted.userid, wanted.dbid, wanted.queryid) == ("10", "16384", "-5134113")


def test_a_plan_has_the_golden_shape() -> None:
    """What PostgreSQL says of the same plan; members that are not on the wire stay where they are."""
    scan = {
        "Node Type": "Index Scan",
        "Parent Relationship": "Outer",
        "Parallel Aware": True,
        "Async Capable": False,
        "Scan Direction": "Forward",
        "Index Name": "orders_state_idx",
        "Relation Name": "orders",
        "Schema": "public",
        "Alias": "orders",
        "Startup Cost": 0.29,
        "Total Cost": 13.68,
        "Plan Rows": 6,
        "Plan Width": 36,
        "Index Cond": "(state = 'paid'::text)",
        "Filter": "(id > $1)",
        "Output": ["'secret'"],
    }
    sort = {"Node Type": "Sort", "Startup Cost": 13.71, "Total Cost": 13.72, "Plan Rows": 6, "Plan Width": 36}
    answer = [{"Plan": {**sort, "Parallel Aware": False, "Sort Key": ["orders.total"], "Plans": [scan]}}]
    result = {"plan": {"server_version": "17.5", **flatten(json.dumps(answer))}}
    assert CommandResult(success=True, result=result).as_json() == golden("explain_result")


# A row of the slow log, as the driver returns it.
RAW = (
    b"2025-12-31 23:59:00.000000",
    b"app[app] @  [10.0.0.7]",
    b"00:00:01.250000",
    b"00:00:00.000000",
    b"10",
    b"100000",
    b"shop",
    b"5",
    b"35",
    b"SELECT * FROM orders WHERE id = 5",
    b"0",
)


def test_an_upload_of_slow_queries_has_the_golden_shape(tmp_path: Path) -> None:
    wanted = golden("slow_log_upload")
    tools = make_tools(tmp_path)
    facts = ServerFacts("id", NOW, 0, True, 12, 100, "TABLE", True, {})
    poll = Poll(facts, Instant.now(), 700.5, Window(None, NOW), slow_queries_before=9)
    completeness = poll.completeness(Reading([], gap="why"), interval_seconds=300, slow_queries=12)
    start = Cursor(wanted["generation"], 120, None)
    writer = SegmentWriter(tools.spool, poll, start, epoch=7, completeness=completeness)
    writer.add(RAW)
    writer.flush()
    client = RecordingClient()
    Uploader(client, tools.spool, make_state()).flush()  # type: ignore[arg-type]
    (sent,) = client.bodies
    assert shape(sent) == shape(wanted)
    expected = wanted["queries"][0] | {"fingerprint_id": sent["queries"][0]["fingerprint_id"], "age_seconds": 60.0}
    assert sent["queries"][0] == expected | {"time_approximate": True}
    assert (sent["position"], sent["generation"], sent["epoch"]) == (120, wanted["generation"], 7)


def test_an_upload_of_a_logs_totals_has_the_golden_shape() -> None:
    wanted = golden("log_totals_upload")
    client = RecordingClient()
    uploader = Uploader(client, None, make_state())  # type: ignore[arg-type]
    ((keys, tail),) = parts_of(totals_of([RAW, RAW], lambda: None))
    told = {name: wanted[name] for name in ("source", "epoch", "audit", "generation", "position", "until")}
    uploader.send_now({**told, **keys}, tail)
    (sent,) = client.bodies
    assert sent == wanted | {"totals": [wanted["totals"][0] | {"key": sent["totals"][0]["key"]}]}


def test_totals_of_many_statements_go_in_parts_that_leave_no_key_out() -> None:
    totals = {f"shop:{number:016X}": [1, 2, 3] for number in range(12_000)}
    parts = list(parts_of(totals))
    assert len(parts) == 3
    assert parts[0][0]["after_key"] == ""
    assert parts[-1][0]["last_key"] is None
    assert [part["last_key"] for part, _ in parts[:-1]] == [part["after_key"] for part, _ in parts[1:]]
    assert [keys for keys, _ in parts_of({})] == [{"after_key": "", "last_key": None}]


def postgres_source(tmp_path: Path) -> PgStatStatementsSource:
    return PgStatStatementsSource(DatabaseConfig(), make_tools(tmp_path))


def test_a_snapshot_has_the_golden_shape(tmp_path: Path) -> None:
    wanted = golden("snapshot_upload")
    names = ["calls", "rows", "total_exec_time", "min_exec_time", "max_exec_time", "blk_read_time", "blk_write_time"]
    columns = Columns.choose([*names, *COUNTS, "toplevel"])
    values = {"calls": "120", "rows": "1200", "total_time_ns": 1250.0, "min_time_ns": 0.0001, "max_time_ns": 90.0}
    values |= {"shared_blks_hit": "1000", "shared_blks_read": "5"}
    numbers = [values.get(name, 0.0 if time else "0") for name, time in columns.meanings]
    source = postgres_source(tmp_path)
    source._server_id = wanted["server_id"]
    source._tools.numbers.last["pg_stat_statements"] = (7, 2)
    now = Instant.now()
    life = Life("1767225600000000", 86400.5, wanted["evictions_total"])
    source._series._previous = Instant(now.boot, now.boot_seconds - 700, now.wall_seconds)
    with SnapshotParts(tmp_path) as parts:
        parts.add(columns.member(["10", "16384", "-5134113", True, "shop", "app", None, *numbers]))
        extension = Extension('"public"', "1.10", columns, has_info=True, capacity=5000, own_userid="10")
        source._store(parts, extension, now, (life, life), 7, None)
    client = RecordingClient()
    Uploader(client, source._tools.spool, make_state()).flush()  # type: ignore[arg-type]
    (sent,) = client.bodies
    assert shape(sent) == shape(wanted)
    assert sent["queries"] == wanted["queries"]
    ordered = ("epoch", "seq", "part", "parts", "rows")
    for name in (*ordered, "server_id", "generation", "generation_age_seconds", "evictions_total"):
        assert sent[name] == wanted[name], name
    assert len(sent["snapshot_id"]) == len(wanted["snapshot_id"])


def test_a_snapshot_of_digests_has_the_golden_shape(tmp_path: Path) -> None:
    wanted = golden("digest_snapshot_upload")
    tools = make_tools(tmp_path)
    columns = DigestColumns.choose({column for _, column, _ in (*OWN, *COUNTERS)})
    row = wanted["queries"][0]
    numbers = {**row, **row["counters"]}
    values = [str(numbers[wire] * (1000 if time else 1)).encode() for wire, time in columns.meanings]
    raw = (row["database"].encode(), row["digest"].encode(), row["since"].encode(), *values)
    series = SnapshotSeries("performance_schema", tools)
    tools.numbers.last["performance_schema"] = (7, 2)
    now = Instant.now()
    series._previous = Instant(now.boot, now.boot_seconds - 700, now.wall_seconds)
    generation = Generation(wanted["server_id"], wanted["generation"], wanted["generation_age_seconds"])
    known = {"capacity": 5000, "digest_lost": 2}
    with SnapshotParts(tmp_path) as parts:
        parts.add(columns.member(columns.parse(raw)))
        series.store(parts, generation, epoch=7, read_at=now, completeness=known, audit=None)
    client = RecordingClient()
    Uploader(client, tools.spool, make_state()).flush()  # type: ignore[arg-type]
    (sent,) = client.bodies
    assert shape(sent) == shape(wanted)
    assert sent["queries"] == wanted["queries"]
    for name in ("source", "seq", "server_id", "generation"):
        assert sent[name] == wanted[name], name


def test_an_upload_of_texts_has_the_golden_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = golden("texts_upload")
    known, missing = wanted["texts"]
    source = postgres_source(tmp_path)
    monkeypatch.setattr(source, "_texts", lambda keys: iter([(known["key"], known["fingerprint"])]))
    client = RecordingClient()
    uploader = Uploader(client, source._tools.spool, make_state())  # type: ignore[arg-type]
    uploader._send_texts(source, [known["key"], missing["key"]], 7)
    (sent,) = client.bodies
    assert shape(sent) == shape(wanted)
    assert [text["key"] for text in sent["texts"]] == [known["key"], missing["key"]]
    assert sent["texts"][1] == missing


def spooled(tmp_path: Path, *answers: Answer) -> tuple[RecordingClient, Uploader, AskingSource]:
    """An uploader with one upload on the spool and the given answers before it."""
    tools = make_tools(tmp_path)
    poll = Poll(ServerFacts("id", NOW, 0, True, 0, 1, "TABLE", True, {}), Instant.now(), None, Window(None, NOW), None)
    writer = SegmentWriter(tools.spool, poll, Cursor("3f" * 32, 123, None), epoch=7)
    writer.add((None,) * 11)
    writer.flush()
    client = RecordingClient(*answers)
    uploader = Uploader(client, tools.spool, make_state())  # type: ignore[arg-type]
    source = AskingSource()
    uploader.sources = (source,)  # type: ignore[assignment]
    assert issubclass(PgStatStatementsSource, Source)
    return client, uploader, source


def test_the_golden_answer_to_an_upload_is_understood(tmp_path: Path) -> None:
    wanted = golden("upload_answer")
    client, uploader, source = spooled(tmp_path, Answer(200, wanted), Answer(200, wanted))
    assert uploader.flush().retry_in is None
    assert source.wanted == wanted["text_wanted"]
    cursor = Cursor.from_json(uploader.ask_cursor("slow_log", 7, "3f" * 32))
    assert cursor == Cursor(**wanted["cursor"])
    question = {"source": "slow_log", "epoch": 7, "age_seconds": 0, "interval_seconds": None}
    assert client.bodies[-1] == {**question, "generation": "3f" * 32, "queries": []}


def test_the_golden_refusal_is_understood(tmp_path: Path) -> None:
    wanted = golden("cursor_mismatch")
    _, uploader, source = spooled(tmp_path, Answer(409, wanted))
    assert uploader.flush().read_again
    assert source.refused == [Cursor(**wanted["cursor"])]
