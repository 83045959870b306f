"""The eleven steps of `test_collector_system.sh`, as an operator runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "test_collector_system.sh"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "PYTHON": sys.executable}
    return subprocess.run(
        [str(SCRIPT)], env={**path, **environment}, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.slow
def test_all_eleven_steps_get_a_tick() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 11


def test_the_first_step_that_fails_ends_the_run_with_a_reason() -> None:
    done = run(BASE_URL="http://127.0.0.1:9", ADMIN_EMAIL="a@example.org", ADMIN_PASSWORD="wrong")
    assert done.returncode == 1
    assert "no answer" in done.stderr
    assert "✓" not in done.stdout
