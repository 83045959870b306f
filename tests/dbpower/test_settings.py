"""Settings as they are behind a TLS proxy."""

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.control_plane import REPOSITORY


def test_the_checks_for_deployment_find_nothing_behind_tls(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DBPOWER_", "DJANGO_"))}
    environment = {**inherited, "DBPOWER_DATA_DIR": str(tmp_path), "DBPOWER_HTTPS": "yes"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
