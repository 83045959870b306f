"""The spool: bounded, durable, oldest first, and not to be stopped by a damaged file."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from dbpower_agent.clock import Instant
from dbpower_agent.payload import Part, build_request, encode_member
from dbpower_agent.spool import CorruptSpoolFileError, Spool
from tests.agent.agents import AGENT
from tests.agent.backend import unpack


def open_spool(folder: Path, *, max_bytes: int = 2**30, max_age_seconds: float = 3600.0) -> Spool:
    return Spool(folder / "spool", max_bytes=max_bytes, max_age_seconds=max_age_seconds)


def tail(number: int = 0, size: int = 10) -> bytes:
    part = Part()
    part.add(encode_member({"number": number, "filler": os.urandom(size).hex()}))
    return part.finish()


def put(spool: Spool, number: int, *, size: int = 10, group: str = "0", read_at: Instant | None = None) -> None:
    envelope = {"source": "slow_log", "number": number}
    spool.put(envelope, tail(number, size), count=1, read_at=read_at or Instant.now(), group=group)


def numbers(spool: Spool) -> list[int]:
    return [spool.load(entry).envelope["number"] for entry in spool.entries]


def test_uploads_come_back_whole_oldest_first_after_a_restart(tmp_path: Path) -> None:
    first = open_spool(tmp_path)
    for number in range(5):
        put(first, number)
    again = open_spool(tmp_path)
    assert numbers(again) == [0, 1, 2, 3, 4]
    stored = again.load(again.entries[0])
    body = json.loads(unpack(build_request(stored.envelope, stored.tail), "gzip"))
    assert (body["source"], body["queries"][0]["number"], stored.count) == ("slow_log", 0, 1)


def test_the_oldest_uploads_go_when_the_spool_is_full(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=12_000)
    for number in range(20):
        put(spool, number, size=1000)
    assert numbers(spool)[-1] == 19
    assert numbers(spool) == list(range(numbers(spool)[0], 20))
    assert spool.size <= 12_000
    assert spool.dropped_files == 20 - len(spool.entries)


def test_old_uploads_go_and_are_counted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_age_seconds=100)
    now = Instant.now()
    old = Instant(now.boot, now.boot_seconds - 101, now.wall_seconds)
    spool._max_age_seconds = 1000
    put(spool, 1, read_at=old)
    put(spool, 2)
    spool._max_age_seconds = 100
    spool.enforce_limits()
    assert (numbers(spool), spool.dropped_files) == ([2], 1)


def test_parts_of_one_snapshot_go_together(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=5_500)
    for number in range(3):
        put(spool, number, size=1000, group="ab")
    for number in range(3, 6):
        put(spool, number, size=1000)
    assert numbers(spool) == [3, 4, 5]
    assert spool.dropped_files == 3


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "garbage", "header"])
def test_a_damaged_file_is_found_and_set_aside(damage: str, tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, 1)
    put(spool, 2)
    path = spool.entries[0].path
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncate": content[:-3],
            "flip": content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
            "empty": b"",
            "garbage": os.urandom(200),
            "header": content.replace(b"slow_log", b"slow_lag", 1),
        }[damage]
    )
    again = open_spool(tmp_path)
    with pytest.raises(CorruptSpoolFileError):
        again.load(again.entries[0])
    again.set_aside(again.entries[0])
    assert numbers(again) == [2]
    assert [file.name for file in (tmp_path / "spool" / "corrupt").iterdir()] == [path.name]


def test_files_set_aside_do_not_pile_up(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for number in range(30):
        put(spool, number)
        spool.reject(spool.entries[0])
    assert len(list((tmp_path / "spool" / "rejected").iterdir())) == 20
    assert spool.size == 0


def test_leftovers_of_a_killed_writer_are_cleared_away(tmp_path: Path) -> None:
    open_spool(tmp_path)
    (tmp_path / "spool" / ".000000000001-slow_log-0.upload.99.tmp").write_bytes(b"half")
    spool = open_spool(tmp_path)
    assert spool.entries == ()
    assert not list((tmp_path / "spool").glob(".*.tmp"))


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from dbpower_agent.clock import Instant
from dbpower_agent.payload import Part, encode_member
from dbpower_agent.spool import Spool
spool = Spool(Path(sys.argv[1]) / "spool", max_bytes=2**30, max_age_seconds=3600)
for number in range(100000):
    part = Part()
    part.add(encode_member({"number": number, "filler": "x" * 5000}))
    spool.put({"source": "slow_log", "number": number}, part.finish(), count=1, read_at=Instant.now())
    print(number, flush=True)
"""


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.35])
def test_what_was_written_before_a_kill_is_there_after_it(seconds: float, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(AGENT)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    confirmed = max(map(int, process.stdout.read().split()), default=0)
    process.wait(10)
    process.stdout.close()
    spool = open_spool(tmp_path)
    found = numbers(spool)
    assert found == list(range(len(found)))
    assert found[-1] >= confirmed


def test_an_age_survives_a_reboot_only_as_the_clock_tells_it() -> None:
    now = Instant("boot-1", 1000.0, 5000.0)
    assert Instant("boot-1", 900.0, 9999.0).age(now) == 100.0
    assert Instant("boot-0", 990.0, 4400.0).age(now) == 600.0
    assert Instant("boot-0", 990.0, 9999.0).age(now) == 0.0


def test_a_damaged_body_is_noticed_when_it_is_packed_again() -> None:
    whole = tail(size=5000)
    with pytest.raises(zlib.error):
        build_request({"source": "slow_log"}, whole[: len(whole) // 2])


def test_parts_close_before_they_pass_the_limits() -> None:
    part = Part(max_members=3)
    member = encode_member({"x": 1})
    for _ in range(3):
        assert part.fits(member)
        part.add(member)
    assert not part.fits(member)
    big = Part()
    count = 0
    while big.fits(member := encode_member({"x": os.urandom(2000).hex()})):
        big.add(member)
        count += 1
    request = build_request({"source": "slow_log"}, big.finish())
    assert 900_000 < len(request) <= 1024 * 1024
    assert len(json.loads(unpack(request, "gzip"))["queries"]) == count
    compressible = Part()
    while compressible.fits(member := encode_member({"x": "y" * 20_000})):
        compressible.add(member)
    assert unpack(build_request({"source": "slow_log"}, compressible.finish()), "gzip")
