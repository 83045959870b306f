"""The broker that needs no server: messages are files in a folder.

Kombu's own transport writes a message in place, and its reader takes whatever is there: one that comes between the two, or
after a process was killed between them, finds an empty file, and the worker ends with the error. Here messages appear
whole or not at all, and what cannot be read is left out. Nothing depends on a single message: tasks are sent again.
"""

import contextlib
import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, filesystem
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

    def get_table(self, exchange: str) -> Any:
        """Return the queues bound to an exchange; none where the file is damaged or being written."""
        try:
            return super().get_table(exchange)  # type: ignore[no-untyped-call]
        except ValueError:
            return []

    def _queue_bind(self, exchange: str, *binding: Any) -> None:
        try:
            super()._queue_bind(exchange, *binding)  # type: ignore[no-untyped-call]
        except ValueError:
            _logger.warning("the bindings of %s were damaged and are made anew", exchange or "the default exchange")
            self._exchange_file(exchange).unlink(missing_ok=True)  # type: ignore[no-untyped-call]
            super()._queue_bind(exchange, *binding)  # type: ignore[no-untyped-call]

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{time.monotonic_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        # No reader looks for names that end like this.
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_bytes(str_to_bytes(dumps(payload)))
        unfinished.replace(folder / name)

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


def register() -> None:
    """Let Celery know the scheme of the broker's address."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
