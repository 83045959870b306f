"""What all private servers have in common: folders, a password, a process, and the way they end."""

import contextlib
import secrets
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.servers.process import Account, ServerProcess, free_port, private_folder


class PrivateServer(ABC):
    """A server with its own data on a free loopback port; a context manager that starts and ends it.

    With `data` the data lives in that folder and outlasts the server; without, everything goes when it is closed.
    With `root` the programs come from the Debian system unpacked there, and everything it owns lies inside it.
    """

    name: ClassVar[str]
    accounts: ClassVar[tuple[str, ...]] = ()
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    host = "127.0.0.1"

    def __init__(self, *, data: Path | None = None, port: int | None = None, root: Path | None = None) -> None:
        self.root = root
        self.account = Account.for_servers(*self.accounts, root=root)
        self.port = port or free_port()
        self.run = private_folder(self.account, self.name, (root or Path("/")) / "tmp")
        self.home = data.resolve() if data else self.run
        self.data = self.home / "data"
        self.log = self.home / "server.log"
        try:
            self._own_home()
            self.password = self._kept_password()
            self._process: ServerProcess | None = None
        except BaseException:
            shutil.rmtree(self.run, ignore_errors=True)
            raise

    @abstractmethod
    def ready(self) -> object:
        """Return when the server answers; raise while it does not."""

    @abstractmethod
    def _initialize(self) -> None:
        """Make the data folder. Called when it does not exist yet; must leave none behind when it fails."""

    @abstractmethod
    def _arguments(self) -> list[str | Path]:
        """Return the command line of the server."""

    def start(self) -> Self:
        """Start the server (making its data first when there is none) and wait until it answers."""
        if not self.data.exists():
            self._initialize()
        if self._process is None:
            self._process = ServerProcess(
                self.name,
                self._arguments(),
                log=self.log,
                account=self.account,
                ready=self.ready,
                stop_signal=self.stop_signal,
                root=self.root,
                folder=self.run,
            )
        self._process.start()
        return self

    def stop(self) -> None:
        """Stop the server in good order; its data and port stay, so that `start` goes on from there."""
        if self._process is not None:
            self._process.stop()

    def crash(self) -> None:
        """Kill the server and all its processes at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Stop in good order and start again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and remove what it leaves behind."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.run, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the server's process is running."""
        return self._process is not None and self._process.alive()

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of the server's log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def inside(self, path: Path) -> Path:
        """Return `path` as the server sees it: below its own root."""
        return Path("/") / path.relative_to(self.root) if self.root else path

    def _own_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.account.own(self.home)

    def _kept_password(self) -> str:
        """Return the administrator's password; kept beside the data, for this machine has other users."""
        file = self.home / "password"
        if not file.exists():
            file.touch(mode=0o600)
            self.account.own(file)
            file.write_text(secrets.token_hex(16))
        return file.read_text()
