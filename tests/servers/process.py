"""One server process: started on loopback as an unprivileged user, awaited, stopped, and never left behind.

Database servers refuse to run as root, so root starts them as a system account; everybody else starts them as
themselves. The kernel ends a server whose parent died, whatever killed the parent.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # Servers live here, often outside an ordinary PATH.


class Unavailable(Exception):
    """A server that cannot be had on this machine; the message says why."""


class ServerFailedError(RuntimeError):
    """A server that ended, or did not answer in time; the message carries the end of its log."""


@dataclass(frozen=True)
class Account:
    """The user and group a server runs as."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> "Account":
        """The account of this very process."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def for_servers(cls, *preferred: str, root: Path | None = None) -> "Account":
        """The first account of `preferred` or `nobody` that exists inside `root`; the present user unless run by root.

        The name counts where the server lives: a program inside `root` looks its user up in the accounts there.
        """
        if os.geteuid() != 0:
            return cls.current()
        accounts = (root or Path("/")) / "etc/passwd"
        known = {fields[0]: fields for fields in (line.split(":") for line in accounts.read_text().splitlines())}
        for name in (*preferred, "nobody"):
            if name in known:
                return cls(int(known[name][2]), int(known[name][3]))
        raise Unavailable(f"{accounts} has no account to run servers as (looked for nobody)")

    def own(self, path: Path) -> None:
        """Hand the file or folder `path` to this account."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)


def free_port() -> int:
    """Return a TCP port that is free on loopback now; a caller that binds at once gets it in practice."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_program(*names: str, folders: Sequence[str] = ()) -> Path:
    """Return the first program of `names` on the PATH, in the system folders or in `folders`."""
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    raise Unavailable(f"{names[0]} is not installed")


def private_folder(account: Account, name: str, inside: Path = Path("/tmp")) -> Path:
    """Make an empty folder that `account` alone can enter; `forget_abandoned` removes it if this process is killed.

    The system's temporary folder is used because servers of other users cannot enter pytest's own.
    """
    forget_abandoned(inside)
    folder = Path(tempfile.mkdtemp(prefix=f"dbpower-{os.getpid()}-{name}-", dir=inside))
    account.own(folder)
    return folder


def forget_abandoned(inside: Path = Path("/tmp")) -> None:
    """Remove the private folders of processes that were killed before they could."""
    for folder in inside.glob("dbpower-*-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def descendants(pid: int) -> list[int]:
    """Return the process ids of all living descendants of `pid`, read from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for child in found:  # The list grows while it is walked: children of children follow.
        found.extend(parents.get(child, []))
    return found


def wait_gone(pids: Sequence[int], timeout: float = 10) -> None:
    """Wait until none of `pids` runs any more (a process nobody has waited for yet counts as gone)."""
    deadline = time.monotonic() + timeout
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def running(pid: int) -> bool:
    """Tell whether `pid` is a process that has not ended."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class ServerProcess:
    """A child process in a session of its own, run as `account` and inside `root` when one is given.

    `ready` is called until it returns instead of raising; what it raised last becomes part of the error.
    Must be started by a thread that lives as long as the server: the kernel ties the two together.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        account: Account,
        ready: Callable[[], object],
        stop_signal: signal.Signals = signal.SIGTERM,
        root: Path | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.log = log
        self.account = account
        self.ready = ready
        self.stop_signal = stop_signal
        self.root = root
        self.folder = folder
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id while it runs; raises when it does not."""
        if self._process is None:
            raise ServerFailedError(f"{self.name} is not running")
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 60) -> None:
        """Start the process and wait until it is ready; on failure nothing is left running."""
        if self.alive():
            return
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    lowered(self.arguments, self.account, self.stop_signal, self.root),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=None if self.root else self.folder or "/",
                    env=self.environment,
                    start_new_session=True,
                )
            self._wait_until_ready(timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout: float = 20) -> None:
        """Ask the process to end, wait, and kill it when it does not."""
        if self.alive():
            children = descendants(self.pid)
            os.kill(self.pid, self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._waited(timeout)
            wait_gone(children, timeout=5)
        self.kill()

    def kill(self) -> None:
        """End the process and its descendants at once, without any chance to tidy up."""
        if self._process is None:
            return
        children = descendants(self._process.pid) if self.alive() else []
        for pid in (self._process.pid, *children) if self.alive() else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._waited(10)
        wait_gone(children)
        self._process = None

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines the process wrote."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _waited(self, timeout: float) -> None:
        if self._process is not None:
            self._process.wait(timeout)

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        reason = "no answer"
        while time.monotonic() < deadline:
            if not self.alive():
                code = self._process.returncode if self._process else None
                raise ServerFailedError(f"{self.name} ended with status {code}. Its log ends:\n{self.log_tail()}")
            try:
                self.ready()
            except Exception as error:  # noqa: BLE001 (drivers raise classes of their own)
                reason = str(error).strip() or type(error).__name__
                time.sleep(0.05)
            else:
                return
        raise ServerFailedError(
            f"{self.name} was not ready after {timeout:.0f} s ({reason}). Its log ends:\n{self.log_tail()}"
        )


def run_as(account: Account, arguments: Sequence[str | Path], *, root: Path | None = None, timeout: float = 180) -> str:
    """Run a program to its end as `account`, inside `root` when given, and return its output; failure raises."""
    done = subprocess.run(
        lowered([str(argument) for argument in arguments], account, signal.SIGKILL, root),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=None if root else "/",
    )
    if done.returncode:
        raise ServerFailedError(
            f"{arguments[0]} ended with status {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
    return done.stdout


def lowered(arguments: Sequence[str], account: Account, death_signal: signal.Signals, root: Path | None) -> list[str]:
    """Return the command that runs `arguments` as `account`, inside `root`, and dies with this process."""
    numbers = (os.getpid(), account.uid, account.gid, int(death_signal))
    return [sys.executable, "-IS", str(LAUNCH), *map(str, numbers), str(root or ""), *arguments]
