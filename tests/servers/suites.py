"""Newer Debian suites, unpacked into folders of their own, for the server versions this system does not have.

Each is made once by debootstrap (about a minute and 750 MB) below DBPOWER_SUITES_DIR, or `var/suites` in the
repository, and kept. `python -m tests.servers.suites` makes them all. The unstable suite moves and cannot be pinned:
a kept folder stays as it is until it is removed.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers.process import Account, ServerFailedError, Unavailable, find_program, run_as

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES: Mapping[str, Sequence[str]] = {
    "trixie": ("postgresql-17", "mariadb-server-core", "mariadb-client-core"),
    "sid": ("postgresql-18", "mysql-server-core"),
    # What the image python:3.11-slim holds, for tests/deployment.
    "bookworm": ("python3-venv", "python3-dev", "ca-certificates"),
}
COMPLETE = ".dbpower-complete"
LONGEST_BUILD = 1800.0  # Seconds; a slow mirror is no reason to lose the versions.


def suite(name: str) -> Path:
    """Return the folder that holds the suite `name`, making it first when it is not there.

    Safe to call from several processes at once and after any interruption: a build happens in a folder of another
    name under a lock, and takes its place when it is whole. Raises Unavailable with the reason.
    """
    folder = suites_folder() / name
    if not complete(folder):
        if os.geteuid() != 0:
            raise Unavailable(f"Debian {name} ({', '.join(PACKAGES[name])}) can be unpacked and started by root only")
        with locked(folder.with_name(f"{name}.lock")):
            if not complete(folder):
                build(name, folder)
    if os.geteuid() != 0:
        raise Unavailable(f"servers inside {folder} can be started by root only")
    return folder


def suites_folder() -> Path:
    """Return the folder that holds the suites."""
    chosen = os.environ.get("DBPOWER_SUITES_DIR")
    return Path(chosen).resolve() if chosen else Path(__file__).resolve().parents[2] / "var" / "suites"


def complete(folder: Path) -> bool:
    """Tell whether `folder` was built to its end with the packages wanted today."""
    with contextlib.suppress(OSError):
        return (folder / COMPLETE).read_text().split() == list(PACKAGES[folder.name])
    return False


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock `file`; the kernel lets go of it when this process dies."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def build(name: str, folder: Path) -> None:
    """Make `folder` anew. Called with the lock held."""
    debootstrap = find_program("debootstrap")
    if not KEYRING.exists():
        raise Unavailable(f"{KEYRING} is missing (package debian-archive-keyring)")
    address = mirror()
    for left in [folder, *folder.parent.glob(f"{name}.new-*")]:
        shutil.rmtree(left, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=folder.parent))
    making.chmod(0o755)
    try:
        run_as(
            Account.current(),
            [
                *alone(),
                str(debootstrap),
                "--variant=minbase",
                f"--keyring={KEYRING}",
                f"--include={','.join(PACKAGES[name])}",
                name,
                str(making),
                address,
            ],
            timeout=LONGEST_BUILD,
        )
    except (ServerFailedError, subprocess.TimeoutExpired, OSError) as error:
        shutil.rmtree(making, ignore_errors=True)
        raise Unavailable(f"debootstrap of {name} failed: {' '.join(str(error).split())[-400:]}") from error
    shutil.rmtree(making / "var/cache/apt/archives", ignore_errors=True)
    (making / COMPLETE).write_text(" ".join(PACKAGES[name]) + "\n")
    making.rename(folder)


def alone() -> list[str]:
    """Return the prefix that gives a program mounts and processes of its own, all gone when it ends or is killed.

    Empty where the kernel does not allow it; there debootstrap cannot mount anything either.
    """
    prefix = [str(find_program("unshare")), "--mount", "--pid", "--fork", "--kill-child"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return [] if tried.returncode else prefix


def mirror() -> str:
    """Return the address this machine gets Debian from, as apt's own sources have it."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    )
    release = os_release().get("VERSION_CODENAME", "stable")
    for line in listed.stdout.splitlines():
        suite_name, component, address = line.split(maxsplit=2)
        if component == "main" and suite_name in (release, "stable") and "debian" in address:
            return address
    raise Unavailable("apt's sources name no Debian mirror")


def os_release() -> dict[str, str]:
    """Return the members of /etc/os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def main() -> int:
    """Make all suites side by side, saying what happens; what cannot be had is said and is no failure."""
    # Each waits for its downloads and its disk most of the time.
    with ThreadPoolExecutor(len(PACKAGES)) as pool:
        list(pool.map(_make, PACKAGES))
    return 0


def _make(name: str) -> None:
    if not complete(suites_folder() / name):
        _say(f"==> Debian {name} with {', '.join(PACKAGES[name])}: about a minute and 750 MB")
    begin = time.monotonic()
    try:
        suite(name)
    except Unavailable as reason:
        _say(f"!!! Debian {name} is not available, its tests will be skipped: {reason}")
    else:
        _say(f"==> Debian {name}: ready ({time.monotonic() - begin:.0f} s)")


def _say(line: str) -> None:
    # In one piece: the others say something too.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
