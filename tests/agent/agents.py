"""Real agent processes, and parts of an agent, set up for tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dbpower_agent.config import AgentConfig, load_config
from dbpower_agent.sources.base import SourceTools
from dbpower_agent.spool import Spool
from tests.agent.backend import COLLECTOR_ID, KEY, FakeBackend

AGENT = Path(__file__).resolve().parents[2] / "agent"
SCRIPT = AGENT / "collector_agent.py"


def write_config(folder: Path, backend_url: str, db_type: str, db_config: Mapping[str, object], **more: object) -> Path:
    """Write a configuration only its owner may read."""
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "collector_id": COLLECTOR_ID,
                "api_key": KEY,
                "backend_url": backend_url,
                "db_type": db_type,
                "db_config": db_config,
                "state_dir": str(folder / "state"),
                **more,
            }
        )
    )
    return path


def read_config(path: Path) -> AgentConfig:
    return load_config(path, {})


class AgentProcess:
    """The agent as an operator starts it: the entry script in a process of its own."""

    def __init__(self, config: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = config.parent / "agent.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT), "--config", str(config)],
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def terminate(self) -> tuple[int, float]:
        """Send SIGTERM; returns the exit code and the seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(15)
        return code, time.monotonic() - began

    def memory_kb(self, name: str = "VmHWM") -> int:
        """`VmHWM` is the most memory the process ever held, `VmRSS` what it holds now; both in kB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"{name} is not known")


@contextlib.contextmanager
def running_agent(config: Path, environment: Mapping[str, str] | None = None) -> Iterator[AgentProcess]:
    agent = AgentProcess(config, environment)
    try:
        yield agent
    finally:
        if agent.running:
            agent.kill()
        sys.stdout.write(agent.log.read_text(errors="replace"))


def run_agent(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a subcommand to its end."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def eventually(condition: Callable[[], Any], *, seconds: float = 20.0, what: str = "") -> Any:
    """Wait until `condition` is true; returns what it returned."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} seconds: {what or condition}")
        time.sleep(pause)
        # Most ask the control plane, which has better things to do on two cores.
        pause = min(0.3, pause * 1.3)
    return result


def make_tools(folder: Path, cursors: Any = None, *, interval: float = 300.0) -> SourceTools:
    """What a source needs, without an agent around it."""
    spool = Spool(folder / "spool", max_bytes=2**30, max_age_seconds=86_400)
    return SourceTools(
        spool=spool,
        cursors=cursors or NoCursors(),
        state_dir=folder,
        still_alive=lambda: None,
        interval_seconds=lambda: interval,
    )


class NoCursors:
    def send_now(self, envelope: dict[str, Any], tail: bytes) -> None:
        raise AssertionError("nothing was asked for")

    """A backend that knows nothing yet."""

    def ask_cursor(self, source: str, epoch: int, generation: str | None) -> dict[str, Any] | None:
        return None


def last_stats(backend: FakeBackend) -> dict[str, Any]:
    return dict(backend.heartbeats[-1]["stats"]) if backend.heartbeats else {}
