"""The broker without a server: a message is whole or not there, and a damaged one keeps nobody from working."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from dbpower import embedded_broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


def connect(folder: Path) -> Any:
    embedded_broker.register()
    messages = str(folder / "messages")
    options = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": str(folder / "control")}
    return Connection("embedded://localhost//", transport_options=options)


@pytest.fixture
def queue(folder: Path) -> Iterator[Any]:
    with connect(folder) as connection:
        yield connection.SimpleQueue("celery")


def received(queue: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        try:
            message = queue.get(timeout=0.5)
        except Empty:
            return found
        message.ack()
        found.append(message.payload)


def test_messages_come_in_the_order_they_were_sent_and_leave_nothing_behind(queue: Any, folder: Path) -> None:
    for number in range(20):
        queue.put({"number": number})
    assert [payload["number"] for payload in received(queue)] == list(range(20))
    assert list((folder / "messages").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b'{"body": ', b"\xff\xfe", b"[]x"])
def test_a_damaged_message_is_left_out_and_those_behind_it_come(queue: Any, folder: Path, content: bytes) -> None:
    damaged = folder / "messages" / f"{0:020d}_damaged.celery.msg"
    damaged.write_bytes(content)
    queue.put("behind it")
    assert received(queue) == ["behind it"]
    assert not damaged.exists()


def test_a_message_that_is_being_written_is_not_read(queue: Any, folder: Path) -> None:
    (folder / "messages" / f"{0:020d}_half.celery.msg.unfinished").write_bytes(b'{"bo')
    queue.put("whole")
    assert received(queue) == ["whole"]


def test_what_killed_processes_left_is_removed_when_it_is_old(folder: Path) -> None:
    old, young = (folder / "messages" / f"{name}.celery.msg.unfinished" for name in ("old", "young"))
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))
    with connect(folder) as connection:
        connection.SimpleQueue("celery")
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("content", [b"", b'[["', b"\xff"])
def test_damaged_bindings_are_made_anew(folder: Path, content: bytes) -> None:
    (folder / "control" / "celery.exchange").write_bytes(content)
    with connect(folder) as connection:
        queue = connection.SimpleQueue("celery")
        queue.put("still works")
        assert received(queue) == ["still works"]


def test_several_readers_and_writers_lose_and_double_nothing(folder: Path) -> None:
    found: list[Any] = []
    written = threading.Event()

    def read() -> None:
        with connect(folder) as connection:
            queue = connection.SimpleQueue("celery")
            while not written.is_set():
                found.extend(received(queue))
            found.extend(received(queue))

    def write(name: str) -> None:
        with connect(folder) as connection:
            queue = connection.SimpleQueue("celery")
            for number in range(100):
                queue.put(f"{name} {number}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    written.set()
    for thread in readers:
        thread.join()
    assert Counter(found) == Counter(f"{name} {number}" for name in "abc" for number in range(100))


def test_queues_that_are_bound_at_once_are_all_bound(folder: Path) -> None:
    names = [f"queue{number}" for number in range(8)]
    together = threading.Barrier(len(names))

    def bind(name: str) -> None:
        with connect(folder) as connection:
            channel = connection.default_channel
            together.wait()
            for number in range(20):
                channel._queue_bind(f"exchange{number}", name, "", name)

    threads = [threading.Thread(target=bind, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(folder) as connection:
        for number in range(20):
            bound = connection.default_channel.get_table(f"exchange{number}")
            assert sorted(queue for _, _, queue in bound) == names


WRITER = """
import sys
from kombu import Connection
from dbpower import embedded_broker
embedded_broker.register()
folder = sys.argv[1]
options = {"data_folder_in": folder + "/messages", "data_folder_out": folder + "/messages", "control_folder": folder + "/control"}
with Connection("embedded://localhost//", transport_options=options) as connection:
    queue = connection.SimpleQueue("celery")
    print("ready", flush=True)
    while True:
        queue.put("x" * 200_000)
"""


def test_a_writer_that_is_killed_leaves_only_whole_messages(queue: Any, folder: Path) -> None:
    for turn in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.01 + turn / 100)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    payloads = received(queue)
    assert payloads
    assert set(payloads) == {"x" * 200_000}
