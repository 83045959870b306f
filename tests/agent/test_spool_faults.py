"""The spool under faults of its host: a killed process, files that are none, a full disk, an account without rights."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbpower_agent.client import Client
from dbpower_agent.set_aside import KEPT_BYTES, KEPT_FILES
from dbpower_agent.spool import LONGEST_FILE, Spool
from dbpower_agent.state import AgentState, Lease
from dbpower_agent.uploader import Uploader
from tests.agent.agents import eventually, last_stats, read_config, running_agent, write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import MySQLSite
from tests.agent.spool_worker import GENERATION, text_of
from tests.agent.test_spool import numbers, open_spool, put
from tests.agent.test_uploader import Site
from tests.servers.process import Account, private_folder

WORKER = Path(__file__).with_name("spool_worker.py")
SEED = 20260701
# The lines that one round of the worker, two uploads stored and sent, executes in these modules.
LINES_OF_A_ROUND = {"spool,atomic_files,uploader": 300, "atomic_files": 34}


def kill_worker(config: Path, folder: Path, *, line: int, files: str, seconds: float) -> int:
    """Run a worker until it is killed, at a line of its own or after so long; the last position it confirmed."""
    arguments = [str(config), str(folder), str(line), files]
    process = subprocess.Popen([sys.executable, str(WORKER), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not line:
            process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        confirmed = [int(word) for word in process.stdout.read().split()]
        assert process.wait(30) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
    return max(confirmed, default=0)


@pytest.mark.slow
@pytest.mark.parametrize("files", [*LINES_OF_A_ROUND, "at any time"])
def test_an_agent_killed_in_the_middle_of_writing_or_sending_loses_and_tears_nothing(
    files: str, backend: FakeBackend, tmp_path: Path
) -> None:
    """Many kills, seeded. Nothing but the one upload whose answer a kill swallowed is ever sent twice."""
    chance = random.Random(SEED)
    config = write_config(tmp_path, backend.url, "mysql", {})
    kills = 16
    for _ in range(kills):
        line = chance.randrange(1, LINES_OF_A_ROUND[files]) if files in LINES_OF_A_ROUND else 0
        confirmed = kill_worker(config, tmp_path, line=line, files=files, seconds=chance.uniform(0, 0.2))
        reached = len(backend.rows.get(GENERATION, ()))
        spool = open_spool(tmp_path)
        waiting = [spool.load(entry) for entry in spool.entries]
        # What was confirmed is with the backend or on the disk, and what is on the disk follows what the backend has.
        ends = [stored.envelope["position"] + stored.count for stored in waiting]
        assert max([reached, *ends]) >= confirmed
        assert all(stored.envelope["position"] <= reached for stored in waiting[:1])
    uploader = Uploader(Client(read_config(config)), spool, held_lease())
    assert uploader.flush().retry_in is None
    sent = Counter(upload["position"] for upload in backend.uploads if upload["queries"])
    rows = backend.rows[GENERATION]
    assert [row["fingerprint"] for row in rows] == [text_of(position) for position in range(len(rows))]
    assert len(rows) >= confirmed
    assert sum(sent.values()) - len(sent) <= kills
    assert list((tmp_path / "spool" / "corrupt").iterdir()) == []


def held_lease() -> AgentState:
    state = AgentState(collection_interval_minutes=5, config_version=1)
    state.set_lease(Lease(held=True, epoch=1))
    return state


@pytest.mark.parametrize("thing", ["empty", "directory", "full directory", "link", "loop", "pipe", "gone", "huge"])
def test_whatever_stands_in_the_place_of_a_file_is_counted_and_blocks_nothing(
    thing: str, backend: FakeBackend, tmp_path: Path
) -> None:
    site = Site(backend, tmp_path)
    site.put(0)
    site.put(0)
    path = site.spool.entries[0].path
    path.unlink()
    match thing:
        case "empty":
            path.touch()
        case "directory" | "full directory":
            path.mkdir()
            if thing == "full directory":
                (path / "inside").mkdir()
                (path / "inside" / "file").write_bytes(b"x")
        case "link":
            (tmp_path / "elsewhere").write_bytes(b"of somebody else")
            path.symlink_to(tmp_path / "elsewhere")
        case "loop":
            path.symlink_to(path)
        case "pipe":
            os.mkfifo(path)
        case "huge":
            with path.open("wb") as file:
                file.truncate(50 * LONGEST_FILE)
    again = Spool(tmp_path / "spool", max_bytes=2**30, max_age_seconds=3600)
    uploader = Uploader(site.uploader._client, again, site.state)
    assert uploader.flush().retry_in is None
    assert len(backend.all_rows) == 1
    assert again.entries == ()
    assert again.dropped_files == (thing != "gone")
    assert backend.uploads[-1]["completeness"]["spool_dropped_files"] == (thing != "gone")
    assert not path.exists()
    assert not path.is_symlink()


def test_a_file_that_may_not_be_read_is_set_aside_and_blocks_nothing() -> None:
    account = Account.for_servers("nobody")
    folder = private_folder(account, "spool")
    with acting_as(account):
        spool = open_spool(folder)
        put(spool, 1)
        put(spool, 2)
        spool.entries[0].path.chmod(0)
        again = open_spool(folder)
        with FakeBackend() as backend:
            config = folder / "config.json"
            write_config(folder, backend.url, "mysql", {})
            uploader = Uploader(Client(read_config(config)), again, held_lease())
            uploader.flush()
        assert again.dropped_files == 1
        assert [path.name for path in (folder / "spool" / "corrupt").iterdir()] == [spool.entries[0].path.name]


@contextlib.contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Root may read everything, so be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_a_damaged_part_takes_the_rest_of_its_snapshot_along(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for number in range(3):
        put(spool, number, group="ab")
    put(spool, 3)
    spool.set_aside(spool.entries[1])
    assert numbers(spool) == [3]
    assert spool.dropped_files == 3
    assert len(list((tmp_path / "spool" / "corrupt").iterdir())) == 1


def test_damaged_files_do_not_pile_up_however_many_or_large(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for number in range(KEPT_FILES + 5):
        put(spool, number)
        spool.set_aside(spool.entries[0])
    aside = tmp_path / "spool" / "corrupt"
    assert len(list(aside.iterdir())) == KEPT_FILES
    put(spool, 99)
    with spool.entries[0].path.open("r+b") as file:
        file.truncate(KEPT_BYTES + 1)
    spool.set_aside(spool.entries[0])
    assert sum(path.stat().st_size for path in aside.iterdir()) <= KEPT_BYTES


def test_after_a_restart_the_newest_damaged_file_is_kept_and_not_the_oldest(tmp_path: Path) -> None:
    for round_ in range(3):
        spool = open_spool(tmp_path)
        for number in range(KEPT_FILES):
            put(spool, number + 100 * round_)
            spool.reject(spool.entries[0])
    newest = max((tmp_path / "spool" / "rejected").iterdir())
    assert f'"number": {KEPT_FILES - 1 + 200}'.encode() in newest.read_bytes()


def test_a_loss_is_told_once_even_when_the_agent_is_killed_before(backend: FakeBackend, tmp_path: Path) -> None:
    first = Site(backend, tmp_path)
    for _ in range(3):
        first.put(0)
    first.spool._max_bytes = first.spool.entries[-1].size
    first.spool.enforce_limits()
    assert first.spool.dropped_files == 2
    killed_and_started_again = Site(backend, tmp_path)
    killed_and_started_again.put(1)
    killed_and_started_again.uploader.flush()
    told = [upload["completeness"]["spool_dropped_files"] for upload in backend.uploads]
    assert told == [2, 0]
    once_more = Site(backend, tmp_path)
    once_more.put(2)
    once_more.uploader.flush()
    assert backend.uploads[-1]["completeness"]["spool_dropped_files"] == 0


def test_a_damaged_file_is_an_error_until_the_spool_was_sent_without_one(backend: FakeBackend, tmp_path: Path) -> None:
    site = Site(backend, tmp_path)
    site.put(0)
    site.spool.entries[0].path.write_bytes(b"damaged")
    site.uploader.flush()
    assert "damaged file" in str(site.state.heartbeat_body()["error"])
    site.put(0)
    site.uploader.flush()
    assert site.state.heartbeat_body()["error"] is None
    assert site.state.heartbeat_body()["stats"]["errors_count"] == 1


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size`: a write fails with an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_what_is_stored_and_lets_it_be_sent(backend: FakeBackend, tmp_path: Path) -> None:
    site = Site(backend, tmp_path)
    site.put(0)
    with full_disk(100):
        with pytest.raises(OSError, match="File too large"):
            site.put(1)
        assert [path.name for path in (tmp_path / "spool").glob("*.upload")] == [site.spool.entries[0].path.name]
        assert list((tmp_path / "spool").glob(".*")) == []
        site.uploader.flush()
    site.put(1)
    site.uploader.flush()
    assert len(backend.all_rows) == 2


def test_an_agent_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    mariadb_site.run("SELECT SLEEP(0.02)")
    eventually(lambda: mariadb_site.logged() == 1)
    backend.interval_minutes = 0.01
    with running_agent(write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)) as agent:
        eventually(lambda: len(backend.all_rows) == 1)
        # The sign of life is shorter than this, an upload is longer.
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
        mariadb_site.run("SELECT SLEEP(0.02)", "SELECT SLEEP(0.02)")
        eventually(lambda: "does not take the data" in str(backend.heartbeats[-1]["error"]))
        assert agent.running
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        eventually(lambda: len(backend.all_rows) == 3)
        eventually(lambda: backend.heartbeats[-1]["error"] is None)
    assert backend.duplicates == 0
    assert last_stats(backend)["spool"]["files"] == 0
    assert json.dumps(backend.heartbeats).count('"dropped_files": 1') == 0
