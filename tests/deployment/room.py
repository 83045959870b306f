"""A room to carry out a Dockerfile in: a Debian of its own with Python 3.11, with no container engine.

It is what the kernel gives a container (a root of its own through an overlay, mounts and processes of its own), and
it differs from an engine's in what is said here: Debian 12's Python instead of the image's, this machine's network,
and layers that are folders. It needs root; elsewhere the tests that use it are skipped with the reason.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.deployment.dockerfile import Instruction, Stage, context, read
from tests.servers import suites
from tests.servers.process import Account, Unavailable, descendants, lowered

LONGEST_STEP = 280.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class StepFailedError(AssertionError):
    """A command of a Dockerfile or compose file that did not end well; the message carries what it said."""


@dataclass(frozen=True)
class Image:
    """A built image: its layers, lowest first, and what its last stage declares."""

    layers: tuple[Path, ...]
    stage: Stage
    environment: dict[str, str]
    user: str
    folder: str

    @property
    def command(self) -> list[str]:
        """What a container runs when it is told nothing."""
        entry, words = self.stage.last("ENTRYPOINT"), self.stage.last("CMD")
        return (entry.command if entry else []) + (words.command if words else [])

    @property
    def health_command(self) -> list[str]:
        """The command of the HEALTHCHECK."""
        found = self.stage.last("HEALTHCHECK")
        assert found is not None
        return found.command


def base() -> Path:
    """Return the folder that stands for `python:3.11-slim`. Raises Unavailable."""
    if not suites.alone():
        raise Unavailable("this kernel or user may not make mounts of its own")
    folder = suites.suite("bookworm")
    for name, target in {"python": "python3", "python3": "python3", "pip": "pip3"}.items():
        link = folder / "usr/local/bin" / name
        if not link.is_symlink():
            with contextlib.suppress(FileExistsError):
                link.symlink_to(f"/usr/bin/{target}")
    return folder


def build(source: Path, place: Path) -> Image:
    """Carry out the Dockerfile in `source`, each stage on a fresh base, and return the last one. `place` takes the layers."""
    built: dict[str, Image] = {}
    image: Image | None = None
    for number, stage in enumerate(read(source / "Dockerfile")):
        image = _build_stage(stage, source, place / f"stage-{number}", built)
        built[stage.name or str(number)] = image
    assert image is not None
    return image


def _build_stage(stage: Stage, source: Path, layer: Path, built: Mapping[str, Image]) -> Image:
    assert stage.base == "python:3.11-slim", "another base than the one this room stands for"
    layer.mkdir(parents=True)
    environment, user, folder = {"PATH": PATH}, "0:0", "/"
    layers = (base(),)
    with Room(layers, layer) as room:
        for step in stage.instructions:
            match step.word:
                case "ENV":
                    environment |= step.variables
                case "USER":
                    user = step.rest
                case "WORKDIR":
                    folder = step.rest
                    room.path(folder).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    _copy(step, source, room, folder, built)
                case "RUN":
                    room.run(step.command, environment=environment, user=user, folder=folder)
    return Image((*layers, layer), stage, environment, user, folder)


def _copy(step: Instruction, source: Path, room: "Room", folder: str, built: Mapping[str, Image]) -> None:
    *origins, target = step.words
    into = room.path(str(PurePosixPath(folder) / target))
    for origin in origins:
        if "from" in step.options:
            with Room(built[step.options["from"]].layers) as other:
                shutil.copytree(other.path(origin), into, symlinks=True, dirs_exist_ok=True)
            continue
        chosen = [path for path in context(source) if origin == "." or path.is_relative_to(origin)]
        assert chosen, f"COPY {origin}: .dockerignore lets nothing of it through"
        for path in chosen:
            inner = path if origin == "." else path.relative_to(origin)
            goal = into / inner if str(inner) != "." else into / path.name if target.endswith("/") else into
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / path, goal)


@dataclass
class Room:
    """Layers under a fresh one, with processes of its own; all of it ends with the context.

    `keep` is the folder of the fresh layer; without it, it goes when the room is left. `binds` are files and folders of
    this machine that are seen inside, read-only. `tmpfs` are a compose file's entries of that name, `read_only` its word.
    """

    layers: Sequence[Path]
    keep: Path | None = None
    binds: Mapping[str, Path] = field(default_factory=dict)
    tmpfs: Sequence[str] = ()
    read_only: bool = False

    def __enter__(self) -> "Room":
        self._work = Path(tempfile.mkdtemp(prefix="room-", dir=suites.suites_folder()))
        self._work.chmod(0o755)
        for name in ("work", "fresh", "root"):
            (self._work / name).mkdir()
        # Standing for the container's own first process; when it ends, everything in the room ends with it.
        script = f"{self._mounts()}\nexec sleep infinity"
        self._keeper = subprocess.Popen(
            lowered([*suites.alone(), "/bin/sh", "-euc", script], Account.current(), signal.SIGKILL, None),
            stdin=subprocess.DEVNULL,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.kill()
        self._keeper.wait()
        deadline = time.monotonic() + 10
        while True:
            # The mounts go with their last process, a moment after the keeper.
            try:
                shutil.rmtree(self._work)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _mounts(self) -> str:
        root = self._work / "root"
        upper = self.keep or self._work / "fresh"
        lower = ":".join(str(layer) for layer in reversed(self.layers))
        lines = [
            "mount --make-rprivate /",
            f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={self._work / 'work'} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
            f"mount -t tmpfs -o mode=0755 tmpfs {root}/run",
            *(f"touch {root}{device}\nmount --bind {device} {root}{device}" for device in DEVICES),
        ]
        shared = {**_network(), **pip_places(), **self.binds}
        for inside, outside in shared.items():
            target = f"{root}{inside}"
            make = f"mkdir -p {target}" if outside.is_dir() else f"mkdir -p $(dirname {target}) && touch {target}"
            lines += [make, f"mount --bind {outside} {target}", f"mount -o remount,ro,bind {target}"]
        for entry in self.tmpfs:
            inside, _, options = entry.partition(":")
            lines += [f"mkdir -p {root}{inside}", f"mount -t tmpfs -o {options or 'mode=1777'} tmpfs {root}{inside}"]
        if self.read_only:
            lines += [f"mount -o remount,ro {root}/run", f"mount -o remount,ro,bind {root}"]
        return "\n".join(lines)

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while self._keeper.poll() is None and time.monotonic() < deadline:
            inside = descendants(self._keeper.pid)
            # The first process inside makes the mounts, and then becomes `sleep`.
            if inside and _name_of(inside[0]) == "sleep":
                self._first = inside[0]
                return
            time.sleep(0.02)
        raise StepFailedError("the room could not be made")

    def path(self, inside: str) -> Path:
        """Return where a path of the room is reached from outside."""
        return Path(f"/proc/{self._first}/root{self._work}/root") / inside.lstrip("/")

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        user: str = "0:0",
        folder: str = "/",
        timeout: float = LONGEST_STEP,
    ) -> str:
        """Run a command to its end and return what it said. Raises StepFailedError."""
        done = self.attempt(command, environment=environment, user=user, folder=folder, timeout=timeout)
        if done.returncode:
            raise StepFailedError(f"{list(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout

    def attempt(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        user: str = "0:0",
        folder: str = "/",
        timeout: float = LONGEST_STEP,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            self._entered(command, environment, user, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    @contextlib.contextmanager
    def started(
        self, command: Sequence[str], *, environment: Mapping[str, str], user: str, folder: str, log: Path
    ) -> Iterator["Started"]:
        """Start a command that goes on; it is killed at the end."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                self._entered(command, environment, user, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started = Started(process, log)
        try:
            yield started
        finally:
            started.kill()

    def _entered(self, command: Sequence[str], environment: Mapping[str, str], user: str, folder: str) -> list[str]:
        uid, _, gid = user.partition(":")
        lower = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        if uid != "0":
            # What `cap_drop: [ALL]` and `no-new-privileges` leave of a process.
            lower += ["--bounding-set=-all", "--no-new-privs"]
        variables = {"HOME": "/root" if uid == "0" else "/", **environment}
        return [
            *("nsenter", f"--target={self._first}", "--mount", "--pid"),
            *("chroot", f"{self._work}/root", "/usr/bin/env", "-i", f"--chdir={folder}"),
            *(f"{name}={value}" for name, value in variables.items()),
            *lower,
            *command,
        ]


@dataclass(frozen=True)
class Started:
    """A process in a room. `process` is the one that entered it, which ends as the one inside does."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def inner(self) -> int:
        """The process id, outside, of what runs inside."""
        (child, *_) = descendants(self.process.pid)
        return child

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self.process.poll() is None

    def said(self) -> str:
        """Return what it wrote."""
        return self.log.read_text(errors="replace")

    def stop(self, timeout: float = 15) -> int:
        """Ask it to end as an engine does, and return its status."""
        os.kill(self.inner, signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End it and its children at once."""
        for pid in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def eventually(check: Callable[[], object], seconds: float = 30.0) -> None:
    """Call `check` until it returns something true; what it returned or raised last is the error."""
    deadline = time.monotonic() + seconds
    while True:
        problem: object
        try:
            problem = check()
            if problem:
                return
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            problem = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {problem}")
        time.sleep(0.2)


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _network() -> dict[str, Path]:
    return {name: Path(name) for name in ("/etc/resolv.conf", "/etc/hosts") if Path(name).exists()}


def pip_places() -> dict[str, Path]:
    """Return what of this machine's pip has to be seen inside, so that it gets packages from where the machine does."""
    settings = _pip_settings()
    lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items())]
    file = suites.suites_folder() / "room-pip.conf"
    file.write_text("\n".join(lines) + "\n")
    places = {"/etc/pip.conf": file}
    for value in " ".join(settings.values()).split():
        path = Path(value.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            # A folder `simple` of an index lies beside the files it names.
            shared = path.parent if path.name == "simple" else path
            places[str(shared)] = shared
    return places


def _pip_settings() -> dict[str, str]:
    listed = subprocess.run(["pip3", "config", "list"], capture_output=True, text=True, check=False).stdout
    settings: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in {"global", ":env:"}:
            settings[option] = value.strip("'")
    return settings
