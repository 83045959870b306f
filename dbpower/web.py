"""`python -m dbpower.web`: web processes that share one listening socket, and a parent that keeps them alive."""

import argparse
import contextlib
import logging
import logging.config
import os
import resource
import signal
import socket
import sys
import time
from types import FrameType
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from dbpower import environment

_logger = logging.getLogger("dbpower.web")

THREADS: Final = 4
# A process answers what it has; its parent waits a little longer, and `manage.py serve` longer still.
_ANSWER_SECONDS: Final = 8.0
_GRACE_SECONDS: Final = 9.0
_NO_START: Final = 3
_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dbpower.settings")
    try:
        options = _options()
        from django.conf import settings

        logging.config.dictConfig(settings.LOGGING)
        port = options.port or settings.PORT
    except ImproperlyConfigured as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listening = socket.create_server((options.host, port), family=family, backlog=1024)
    except OSError as error:
        _logger.error("cannot listen on %s port %d: %s", options.host, port, error.strerror)
        return 1
    listening.setblocking(False)
    return Parent(listening, processes=options.processes, threads=options.threads).run()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dbpower.web", description=__doc__)
    processes = environment.integer("DBPOWER_WEB_WORKERS", 1, minimum=1, maximum=64)
    threads = environment.integer("DBPOWER_WEB_THREADS", THREADS, minimum=1, maximum=64)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="port to listen on (default: PORT, 8000)")
    parser.add_argument("--processes", type=int, default=processes, help="default: DBPOWER_WEB_WORKERS, 1")
    parser.add_argument(
        "--threads", type=int, default=threads, help="of each process (default: DBPOWER_WEB_THREADS, 4)"
    )
    return parser.parse_args()


class Parent:
    """Starts the processes, starts another when one ends, and ends them all when a signal comes."""

    def __init__(self, listening: socket.socket, *, processes: int, threads: int) -> None:
        self.listening = listening
        self.processes = processes
        self.threads = threads
        self.children: dict[int, float] = {}

    def run(self) -> int:
        """Return the exit code once all have ended."""
        # Blocked, so that none is lost between two waits; each child lets them through again.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        code = 0
        for _ in range(self.processes):
            self._start()
        while code == 0 and signal.sigwait(_SIGNALS) == signal.SIGCHLD:
            code = self._replace_ended()
        self._end()
        return code

    def _start(self) -> None:
        child = os.fork()
        if child:
            self.children[child] = time.monotonic()
            return
        code = 1
        try:
            code = _child(self.listening, self.threads)
        except BaseException:
            _logger.exception("a web process ended")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _replace_ended(self) -> int:
        """Start another for each that ended; return a code when one could not start at all, for neither could the next."""
        while self.children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            lived = time.monotonic() - self.children.pop(child)
            code = os.waitstatus_to_exitcode(status)
            if code == _NO_START:
                return 1
            _logger.error("web process %d ended with %d; starting another", child, code)
            if lived < 1:
                time.sleep(1)
            self._start()
        return 0

    def _end(self) -> None:
        deadline = time.monotonic() + _GRACE_SECONDS
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in self.children:
                os.kill(child, number)
            while self.children and (number == signal.SIGKILL or time.monotonic() < deadline):
                child, _ = os.waitpid(-1, os.WNOHANG)
                self.children.pop(child, None)
                if not child:
                    signal.sigtimedwait({signal.SIGCHLD}, 0.1)


def _child(listening: socket.socket, threads: int) -> int:
    """Serve in a process of its own; return its exit code."""
    parent, ended = os.getppid(), []
    # Each connection may need two temporary files besides itself.
    with contextlib.suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096) if hard >= 0 else 4096), hard))
    try:
        from dbpower import connections
        from dbpower.wsgi import django_application, prove_web
    except Exception:
        _logger.exception("the web process could not start")
        return _NO_START
    server = connections.listen(django_application, listening, threads)

    def stop(number: int, _: FrameType | None) -> None:
        ended.append(number)
        server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    # A parent that was killed cannot say so.
    server.serve(prove_web, ended=lambda: bool(ended) or os.getppid() != parent, grace=_ANSWER_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
