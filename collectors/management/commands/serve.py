"""`manage.py serve`: the whole control plane from one command."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.core.management.base import CommandParser

from collectors.models import User
from collectors.services import storage

_GRACE_SECONDS: Final = 10
# Run by root on a single machine, a worker would fill the screen with a warning about that.
_QUIET: Final = {"PYTHONWARNINGS": "ignore:You're running the worker"}


class Command(BaseCommand):
    """Migrate, then run web, worker and beat until a signal comes; when one of them ends, end the others too."""

    help = "Run the control plane: web, worker and beat. On SQLite and an embedded broker unless DATABASE_URL and REDIS_URL are set."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port to listen on (default: PORT, 8000)")
        parser.add_argument("--web-workers", type=int, help="web processes (default: DBPOWER_WEB_WORKERS, 1)")
        parser.add_argument("--no-migrate", action="store_true", help="do not migrate first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until stopped."""
        self.running = True
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        _require_free(options["host"], options["port"])
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        if not options["no_migrate"]:
            self.stdout.write("Preparing the database ...")
            call_command("migrate", interactive=False, verbosity=0)
        storage.maintain()
        if not self.running:
            return
        try:
            self._start(options)
            self._announce(options)
            self._watch()
        finally:
            self._end()

    def _start(self, options: dict[str, Any]) -> None:
        # The folder that holds Python holds the programs installed beside it.
        programs = Path(sys.executable).parent
        worker = "--quiet --app dbpower worker --pool threads --concurrency 4 "
        quiet = "--without-gossip --without-mingle --without-heartbeat"
        self._run("worker", [str(programs / "celery"), *worker.split(), *quiet.split(), "--beat"])
        address = ["--host", options["host"], "--port", str(options["port"])]
        web = [sys.executable, "-m", "dbpower.web", *address]
        if options["web_workers"] is not None:
            web += ["--processes", str(options["web_workers"])]
        self._run("web", web)

    def _run(self, name: str, command: list[str]) -> None:
        # A session of its own: Ctrl-C in the terminal reaches this process only, which then ends the others in order.
        self.children[name] = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=os.environ | _QUIET, start_new_session=True
        )

    def _announce(self, options: dict[str, Any]) -> None:
        database = str(settings.DATABASES["default"]["ENGINE"]).rsplit(".", 1)[-1]
        broker = "Redis" if settings.REDIS_URL else "embedded broker"
        host = "localhost" if options["host"] in {"127.0.0.1", "0.0.0.0"} else options["host"]  # noqa: S104 - a comparison
        self.stdout.write(f"DBPower on http://{host}:{options['port']}/ ({database}, {broker}). Ctrl-C stops it.")
        if not User.objects.filter(is_superuser=True).exists():
            self.stdout.write(
                "Nobody can sign in yet. Create the first administrator:\n"
                "  python manage.py createsuperuser\n"
                "or without questions:\n"
                "  DJANGO_SUPERUSER_EMAIL=you@example.org DJANGO_SUPERUSER_PASSWORD=... "
                "python manage.py createsuperuser --noinput"
            )
        self.stdout.flush()

    def _watch(self) -> None:
        while self.running:
            for name, child in self.children.items():
                if child.poll() is not None:
                    raise CommandError(f"{name} ended with {child.returncode}; stopping. Its reason stands above.")
            time.sleep(0.2)

    def _end(self) -> None:
        deadline = time.monotonic() + _GRACE_SECONDS
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, deadline - time.monotonic()))
            # What is left of its session: itself when it is too slow, its own children when it was killed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.running = False


def _require_free(host: str, port: int) -> None:
    """Refuse a port that somebody listens on: the web server would share it with a process of the same user, silently."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        message = f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port or PORT."
        raise CommandError(message) from error
