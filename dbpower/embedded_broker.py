"""The broker that needs no server: messages are files in a folder.

Kombu's own transport writes a message in place, and its reader takes whatever is there: one that comes between the two, or
after a process was killed between them, finds an empty file, and the worker ends with the error. Here messages appear
whole or not at all, and so do the bindings of queues; what cannot be read is left out. Nothing depends on a single
message: tasks are sent again.
"""

import contextlib
import fcntl
import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.transport.virtual import BrokerState
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads

SCHEME: Final = "embedded"
_HALF_DONE: Final = (".unfinished", ".taken")
_LEFT_BEHIND_SECONDS: Final = 600

_logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    """Messages in files that are renamed into their places."""

    def __init__(self, *arguments: Any, **members: Any) -> None:
        super().__init__(*arguments, **members)  # type: ignore[no-untyped-call]
        self._tidy_up()

    def get_table(self, exchange: str) -> list[Any]:
        """Return the queues bound to an exchange; none where nothing can be read of them."""
        try:
            rows = loads(self._exchange_file(exchange).read_bytes().decode())  # type: ignore[no-untyped-call]
        except FileNotFoundError:
            return []
        except ValueError:
            _logger.warning("the bindings of %s were damaged and are made anew", exchange or "the default exchange")
            return []
        return [filesystem.exchange_queue_t(*row) for row in rows]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # Kombu's own empties the file before it holds the lock: who looks then finds no queue, and drops the message.
        with self._bindings_locked():
            bound, binding = self.get_table(exchange), filesystem.exchange_queue_t(routing_key, pattern or "", queue)
            if binding not in bound:
                _appear(self._exchange_file(exchange), dumps([binding, *bound]))  # type: ignore[no-untyped-call]

    @contextlib.contextmanager
    def _bindings_locked(self) -> Iterator[None]:
        folder = Path(self.control_folder)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "bindings.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        _appear(folder / f"{time.monotonic_ns():020d}_{uuid.uuid4().hex}.{queue}.msg", dumps(payload))

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - the caller waits
        for path in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            content = self._take(path) if path.name.partition(".")[2] == f"{queue}.msg" else None
            if content is None:
                continue
            try:
                return loads(bytes_to_str(content))
            except ValueError:
                _logger.warning("a message of the queue %s was damaged and is left out", queue)
        raise Empty

    def _tidy_up(self) -> None:
        """Remove what processes that were killed left half done."""
        for path in Path(self.data_folder_in).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.suffix in _HALF_DONE and time.time() - path.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                    path.unlink()

    def _take(self, message: Path) -> bytes | None:
        """Return what a message holds, and remove it; None when another reader was quicker."""
        taken = message.with_name(f"{message.name}.{uuid.uuid4().hex}.taken")
        try:
            message.rename(taken)
        except FileNotFoundError:
            return None
        content = taken.read_bytes()
        taken.unlink()
        return content


class Transport(filesystem.Transport):
    """Kombu's file transport with these messages."""

    Channel = Channel

    def __init__(self, client: Any, **members: Any) -> None:
        super().__init__(client, **members)  # type: ignore[no-untyped-call]
        # Kombu shares this in the process: a thread would take for bound what another is about to bind, and lose messages.
        self.state = BrokerState()


def _appear(path: Path, content: Any) -> None:
    """Let a file appear whole, or take the place of another."""
    # No reader looks for names that end like this.
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.unfinished")
    unfinished.write_bytes(str_to_bytes(content))
    unfinished.replace(path)


def register() -> None:
    """Let Celery know the scheme of the broker's address."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
