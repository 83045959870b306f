"""A machine of its own with a real systemd as its first process, for the agent's unit. It needs root, as a room does."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.deployment.room import Room, StepFailedError, eventually
from tests.servers import suites
from tests.servers.process import Account, descendants, lowered

NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc")
NODES = {"null": "1 3", "zero": "1 5", "full": "1 7", "random": "1 8", "urandom": "1 9", "tty": "5 0"}
# What belongs to a machine with a screen, disks and users.
UNWANTED = ("systemd-udevd.service", "systemd-logind.service", "getty.target", "systemd-journal-flush.service")


class Machine:
    """Layers with systemd on top, booted. `install` puts a unit and its configuration where an operator does."""

    def __init__(self, layers: Sequence[Path]) -> None:
        self._work = Path(tempfile.mkdtemp(prefix="machine-", dir=suites.suites_folder()))
        self._work.chmod(0o755)
        for name in ("systemd", "work", "fresh", "root"):
            (self._work / name).mkdir()
        with Room(layers, self._work / "systemd") as room:
            room.run(
                ["sh", "-ec", "apt-get -q update; apt-get -q -y install --no-install-recommends systemd"],
                environment={"PATH": os.environ["PATH"], "DEBIAN_FRONTEND": "noninteractive"},
            )
        self._layers = (*layers, self._work / "systemd")
        self._process: subprocess.Popen[bytes] | None = None

    def install(self, inside: str, content: str, mode: int = 0o644) -> None:
        """Write a file, before the machine is booted."""
        path = self._work / "fresh" / inside.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=mode)
        path.write_text(content)

    def boot(self) -> None:
        """Start systemd and wait until it takes orders."""
        log = (self._work / "boot.log").open("wb")
        with log:
            self._process = subprocess.Popen(
                lowered(
                    [str(shutil.which("unshare")), *NAMESPACES, "/bin/sh", "-euc", self._script()],
                    Account.current(),
                    signal.SIGKILL,
                    None,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self.run("systemctl", "show", "--property=Version"), 30)

    def run(self, *command: str) -> str:
        """Run a command on the machine and return what it said. Raises StepFailedError."""
        assert self._process is not None
        inside = descendants(self._process.pid)
        first = inside[0] if inside else 0
        namespaces = ("--mount", "--pid", "--cgroup", "--uts", "--ipc")
        done = subprocess.run(
            ["nsenter", f"--target={first}", *namespaces, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise StepFailedError(f"{command} ended with {done.returncode}: {done.stdout[-2000:]}")
        return done.stdout

    def property(self, unit: str, name: str) -> str:
        """Return a property that systemd shows of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def close(self) -> None:
        """End everything on it and remove it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

        def removed() -> bool:
            shutil.rmtree(self._work)
            return True

        eventually(removed, 15)

    def _script(self) -> str:
        root, lower = self._work / "root", ":".join(str(layer) for layer in reversed(self._layers))
        layers = f"lowerdir={lower},upperdir={self._work / 'fresh'},workdir={self._work / 'work'}"
        lines = [
            "mount --make-rprivate /",
            f"mount -t overlay overlay -o {layers} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t sysfs -o ro sysfs {root}/sys",
            f"mount -t cgroup2 cgroup2 {root}/sys/fs/cgroup",
            *(f"mount -t tmpfs -o mode=0755 tmpfs {root}/{name}" for name in ("run", "dev")),
            *(f"mknod -m 666 {root}/dev/{name} c {numbers}" for name, numbers in NODES.items()),
            f"ln -s pts/ptmx {root}/dev/ptmx",
            f"mkdir -p {root}/etc/systemd/system {root}/before",
            *(f"ln -sf /dev/null {root}/etc/systemd/system/{name}" for name in UNWANTED),
            f"cd {root}",
            "pivot_root . before",
            "umount -l /before",
            # The service's own mounts are made beside it and have to arrive.
            "mount --make-rshared /",
            "exec env -i container=room PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=multi-user.target",
        ]
        return "\n".join(lines)
