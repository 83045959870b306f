"""Where the demo keeps its things, and that only one demo at a time uses them."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ServerFailedError
from tests.servers.process import Account, run_as

REPOSITORY = Path(__file__).resolve().parents[2]


class DemoError(Exception):
    """Something the person at the terminal has to know or do; shown without a traceback."""


@dataclass(frozen=True)
class Places:
    """All folders and files of one demo. Everything lies in `home`, unless the servers' user cannot enter it."""

    home: Path

    @classmethod
    def chosen(cls) -> "Places":
        """Return the demo's place: DBPOWER_DEMO_DIR, or `var/demo` in the repository."""
        return cls(Path(os.environ.get("DBPOWER_DEMO_DIR") or REPOSITORY / "var" / "demo").resolve())

    @property
    def control_plane(self) -> Path:
        """The control plane's data folder."""
        return self.home / "data"

    @property
    def agents(self) -> Path:
        """The agents' configurations and states."""
        return self.home / "agents"

    @property
    def logs(self) -> Path:
        """What the started programs write."""
        return self.home / "logs"

    @property
    def logins(self) -> Path:
        """The passwords made on the first run."""
        return self.home / "logins.json"

    @property
    def outside(self) -> Path:
        """Where a root's database servers keep their data when their user cannot enter `home`.

        That is so below /root, and below any folder that is closed to others.
        """
        return Path("/var/lib") / f"dbpower-demo-{hashlib.sha256(str(self.home).encode()).hexdigest()[:12]}"

    def prepare(self) -> None:
        """Make the folders; what is in them is nobody else's business."""
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in (self.control_plane, self.agents, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)

    def database_folder(self, name: str, account: Account) -> Path:
        """Return the folder for the data of the server `name`, which runs as `account`."""
        if self.outside.exists() or not can_enter(account, self.home):
            self.outside.mkdir(mode=0o755, exist_ok=True)
            return self.outside / name
        return self.home / name

    def remove(self) -> None:
        """Remove all data of the demo."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.outside, ignore_errors=True)
        for left in (self.home, self.outside):
            if left.exists():
                raise DemoError(f"{left} could not be removed: it belongs to another user")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second demo, and demo-clean, away from a running one."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with self.home.with_name(f"{self.home.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoError("a demo is already running here; stop it with Ctrl-C first") from None
            yield


def can_enter(account: Account, folder: Path) -> bool:
    """Tell whether programs of `account` can reach what is inside `folder`."""
    try:
        run_as(account, ["/usr/bin/test", "-x", folder])
    except ServerFailedError:
        return False
    return True
