"""What all tests share. The servers come from the plugin `tests.servers.plugin`."""

import os
import subprocess
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from hypothesis import HealthCheck, settings

from collectors.services import audit, key_failures
from tests.cast import Cast, assemble

# Two cores shared with database servers: time says nothing about the code under test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "fuzz", settings.get_profile("default"), max_examples=int(os.environ.get("DBPOWER_FUZZ_EXAMPLES", "2000"))
)
settings.load_profile("default")


def pytest_configure() -> None:
    """Compile what was translated since, and hash passwords quickly: in production each takes a quarter of a second, on purpose."""
    subprocess.run([Path(__file__).resolve().parents[1] / ".ci/translations"], check=True)
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Keep SQLite's test database in a file, as in production: threads cannot share one in memory."""
    if connection.vendor == "sqlite":
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        connection.settings_dict["TEST"]["NAME"] = str(Path(os.environ["DBPOWER_DATA_DIR"]) / f"test-{worker}.sqlite3")


@pytest.fixture
def cast(db: None) -> Cast:
    """The people and things of `tests.cast`."""
    return assemble()


@pytest.fixture(autouse=True)
def _nothing_refused_yet() -> None:
    """Begin each test as a process that has refused nobody."""
    key_failures.forget()
    audit.forget_refusals()
