"""A process that spools and sends without end, for tests that kill it: `spool_worker.py CONFIG FOLDER LINE FILES`.

With LINE above 0 it kills itself when it is about to execute the LINEth line of FILES, modules of the agent separated by
commas; the count begins once it is set up. Prints, for each upload, the position behind it once the spool has confirmed it.
"""

import itertools
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "agent")]

from dbpower_agent.client import Client  # noqa: E402
from dbpower_agent.clock import Instant  # noqa: E402
from dbpower_agent.payload import Part, encode_member  # noqa: E402
from dbpower_agent.spool import Spool  # noqa: E402
from dbpower_agent.state import AgentState, Lease  # noqa: E402
from dbpower_agent.uploader import Uploader  # noqa: E402
from tests.agent.agents import read_config  # noqa: E402

GENERATION = "g" * 64
ROWS = 4


def text_of(position: int) -> str:
    """Two hundred kilobytes that do not compress, and that every process makes alike."""
    return random.Random(position).randbytes(100_000).hex()


def member(position: int) -> bytes:
    row: dict[str, Any] = {"fingerprint_id": f"{position:016X}", "fingerprint": text_of(position)}
    row |= dict.fromkeys(("query_time", "lock_time", "age_seconds"), 0.0)
    row |= dict.fromkeys(("rows_sent", "rows_examined", "rows_affected"), 0)
    return encode_member(row | dict.fromkeys(("database", "user", "host"), "") | {"time_approximate": False})


def kill_at_line(number: int, files: list[str]) -> None:
    """Have this process kill itself at the line `number` of those that it executes in `files`."""
    lines = itertools.count(1)

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if Path(frame.f_code.co_filename).stem not in files:
            return None
        if event == "line" and next(lines) >= number:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def main(config: Path, folder: Path, line: int, files: list[str]) -> None:
    spool = Spool(folder / "spool", max_bytes=2**30, max_age_seconds=3600)
    state = AgentState(collection_interval_minutes=5, config_version=1)
    state.set_lease(Lease(held=True, epoch=1))
    uploader = Uploader(Client(read_config(config)), spool, state)
    newest = spool.newest_of("slow_log")
    if newest is not None:
        stored = spool.load(newest)
        position = stored.envelope["position"] + stored.count
    else:
        cursor = uploader.ask_cursor("slow_log", 1, GENERATION)
        assert cursor is not None
        position = cursor["position"]
    envelope = {"source": "slow_log", "epoch": 1, "interval_seconds": None, "generation": GENERATION, "lost_rows": 0}
    if line:
        kill_at_line(line, files)
    while True:
        for _ in range(2):
            part = Part()
            for number in range(position, position + ROWS):
                part.add(member(number))
            told = {"position": position, "row_hash": f"{position + ROWS:064x}"}
            spool.put({**envelope, **told}, part.finish(), count=ROWS, read_at=Instant.now())
            position += ROWS
            print(position, flush=True)
        uploader.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(","))
