"""`python -m tests.demo` runs the demo until Ctrl-C; `python -m tests.demo clean` removes its data."""

import contextlib
import signal
import sys
import time
from types import FrameType

from tests.demo.api import ApiError
from tests.demo.logins import ADMINISTRATOR, ORGANIZATIONS, ROLES
from tests.demo.places import DemoError, Places
from tests.demo.stack import Stack
from tests.servers import ServerFailedError, Unavailable

STARTED = time.monotonic()


def progress(text: str) -> None:
    """Print one line with the seconds since the start; a terminal that was closed must not keep us from tidying up."""
    with contextlib.suppress(OSError):
        print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End the same way for Ctrl-C, a polite kill and a closed terminal."""
    raise KeyboardInterrupt


def describe(stack: Stack) -> str:
    """Return what a person needs to know now: where to look, as whom, and at what."""
    address = stack.control_plane.address
    people = [("SUPER_ADMIN", "everything", ADMINISTRATOR)]
    people += [(role, tenant.name, tenant.email(role)) for tenant in ORGANIZATIONS for role in ROLES]
    logins = "\n".join(
        f"  {role:<12} {place:<13} {email:<36} {stack.logins.password(email)}" for role, place, email in people
    )
    agents = "\n".join(
        f"  {name:<20} process {agent.pid}   log {stack.places.logs / name}.log" for name, agent in stack.agents.items()
    )
    return f"""
DBPower is running:  {address}/

Log in as (kept in {stack.places.logins}):

{logins}

The agents:

{agents}

What to look at:

  * {address}/admin/ as SUPER_ADMIN: both collectors ONLINE, their queries, commands and status changes
  * the same as an ORG_ADMIN or TEAM_LEAD: only their own organization or team exists
  * a collector's page: "Collect now", "Stop", "Start", and the history of its commands
  * {address}/api/docs: the API; log in with POST /api/v1/auth/token
  * kill one of the agents above: two minutes later its collector is OFFLINE, with a line in its history

Ctrl-C stops all of this; `make demo` goes on with the data, `make demo-clean` removes it.
"""


def run(places: Places) -> None:
    """Run the demo until it is interrupted."""
    with places.locked():
        places.prepare()
        with Stack(places, progress) as stack:
            print(describe(stack), flush=True)
            stack.watch()


def clean(places: Places) -> None:
    """Remove all the demo has left."""
    with places.locked():
        places.remove()
    progress("the demo's data is gone")


def main(arguments: list[str]) -> int:
    """Return the exit status: 0 after Ctrl-C, 1 when something failed."""
    # SIGINT too: whoever starts this in the background of a script leaves it ignored, and Python then keeps it so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        if arguments == ["clean"]:
            clean(Places.chosen())
        elif arguments:
            raise DemoError("usage: python -m tests.demo [clean]")
        else:
            run(Places.chosen())
    except KeyboardInterrupt:
        progress("stopped")
    except (DemoError, ApiError, Unavailable, ServerFailedError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
