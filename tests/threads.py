"""Several things at once, each in a thread with a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")


def at_once(*acts: Callable[[], Result]) -> list[Result | Exception]:
    """Run the acts together and return what each returned or raised."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Result]) -> Result | Exception:
        barrier.wait(timeout=10)
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - what was raised is a result to look at
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
