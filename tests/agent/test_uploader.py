"""The uploader: what becomes of each answer the backend can give."""

from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.client import Client
from dbpower_agent.clock import Instant
from dbpower_agent.payload import Part, encode_member
from dbpower_agent.state import AgentState, Lease
from dbpower_agent.uploader import Uploader
from tests.agent.agents import make_tools, read_config, write_config
from tests.agent.backend import FakeBackend


class Site:
    def __init__(self, backend: FakeBackend, folder: Path, *, held: bool = True) -> None:
        self.spool = make_tools(folder).spool
        self.state = AgentState(collection_interval_minutes=5, config_version=1)
        self.state.set_lease(Lease(held=held, epoch=1))
        config = read_config(write_config(folder, backend.url, "postgres", {}))
        self.uploader = Uploader(Client(config), self.spool, self.state)

    def put(self, position: int = 0, *, seconds_ago: float = 0.0) -> None:
        """One upload of one slow query, read some seconds ago."""
        member = {
            "fingerprint_id": "A" * 16,
            "fingerprint": "select ?",
            **dict.fromkeys(("query_time", "lock_time", "age_seconds"), 0.0),
            **dict.fromkeys(("rows_sent", "rows_examined", "rows_affected"), 0),
            **dict.fromkeys(("database", "user", "host"), ""),
            "time_approximate": False,
        }
        part = Part()
        part.add(encode_member(member))
        envelope = {"source": "slow_log", "epoch": 1, "interval_seconds": None, "generation": "g", "lost_rows": 0}
        now = Instant.now()
        self.spool.put(
            {**envelope, "position": position, "row_hash": "h"},
            part.finish(),
            count=1,
            read_at=Instant(now.boot, now.boot_seconds - seconds_ago, now.wall_seconds),
        )


def test_uploads_go_oldest_first_with_their_age(backend: FakeBackend, tmp_path: Path) -> None:
    site = Site(backend, tmp_path)
    site.put(0, seconds_ago=500)
    site.put(1, seconds_ago=100)
    assert site.uploader.flush().retry_in is None
    ages = [upload["age_seconds"] for upload in backend.uploads]
    assert 500 <= ages[0] < 510
    assert 100 <= ages[1] < 110
    assert len(backend.all_rows) == 2


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_will_never_be_taken_is_set_aside_and_blocks_nothing(
    status: int, backend: FakeBackend, tmp_path: Path
) -> None:
    site = Site(backend, tmp_path)
    site.put(5)
    site.put(0)
    backend.failures = [(status, {})]
    site.uploader.flush()
    assert site.spool.entries == ()
    assert len(backend.all_rows) == 1
    assert len(list((tmp_path / "spool" / "rejected").iterdir())) == 1
    assert site.state.heartbeat_body()["stats"]["errors_count"] == 1


@pytest.mark.parametrize(
    ("status", "headers", "shortest", "longest"),
    [
        (500, {}, 1, 60),
        (502, {}, 1, 60),
        (503, {"Retry-After": "20"}, 20, 22),
        (429, {"Retry-After": "7"}, 7, 8),
        (401, {}, 60, 60),
        (403, {}, 1, 60),
    ],
)
def test_what_may_be_taken_later_stays(
    status: int, headers: dict[str, str], shortest: float, longest: float, backend: FakeBackend, tmp_path: Path
) -> None:
    site = Site(backend, tmp_path)
    site.put()
    backend.failures = [(status, headers)]
    retry_in = site.uploader.flush().retry_in
    assert retry_in is not None
    assert shortest <= retry_in <= longest
    assert len(site.spool.entries) == 1
    site.uploader.flush()
    assert len(backend.all_rows) == 1


def test_a_damaged_file_is_set_aside_and_the_rest_is_sent(backend: FakeBackend, tmp_path: Path) -> None:
    site = Site(backend, tmp_path)
    site.put(7)
    site.put(0)
    site.spool.entries[0].path.write_bytes(b"damaged")
    assert site.uploader.flush().retry_in is None
    assert len(backend.all_rows) == 1
    assert len(list((tmp_path / "spool" / "corrupt").iterdir())) == 1


def test_a_standby_agent_gives_way_instead_of_reading_again(backend: FakeBackend, tmp_path: Path) -> None:
    site = Site(backend, tmp_path, held=False)
    site.put(9)
    result = site.uploader.flush()
    assert (result.read_again, site.spool.entries) == (False, ())


def test_texts_are_not_asked_for_without_end(backend: FakeBackend, tmp_path: Path) -> None:
    """A backend that wants the same texts over and over gets each of them once."""
    site = Site(backend, tmp_path)
    asked: list[list[str]] = []

    class Repeating:
        name = "slow_log"

        def wanted_texts(self, keys: list[str]) -> Any:
            asked.append(keys)
            part = Part("texts", last=',"queries":[]}')
            part.add(encode_member({"key": "k", "fingerprint": None, "fingerprint_id": None}))
            return iter([part])

    site.uploader.sources = (Repeating(),)  # type: ignore[assignment]
    original = backend._bulk
    backend._bulk = lambda body: {**original({**body, "queries": []}), "text_wanted": ["k"]}  # type: ignore[method-assign]
    site.put()
    site.uploader.flush()
    assert asked == [["k"]]
