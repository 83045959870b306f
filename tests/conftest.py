"""What all tests share. The servers come from the plugin `tests.servers.plugin`."""

import gc
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from hypothesis import HealthCheck, settings
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped] # it has no types

from collectors.services import audit, key_failures
from tests.canaries import canaries_in
from tests.cast import Cast, assemble
from tests.servers.control_plane import ControlPlane

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
    _look_for_static_files_once()


def _look_for_static_files_once() -> None:
    """Let each new client of the tests, which loads the middleware anew, find the static files that the first one found."""
    look = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, object] = {}

    def once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = once


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, and more seldom: thousands of tests and modules are none, and cost a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


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


@pytest.fixture(scope="session")
def shared_control_plane() -> Iterator[ControlPlane]:
    """A control plane with nothing set for all tests with tenants of their own."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="module")
def control_plane(shared_control_plane: ControlPlane) -> ControlPlane:
    """The same, running whatever the module before did to it."""
    shared_control_plane.process.start(120)
    return shared_control_plane


@pytest.fixture(autouse=True)
def _nothing_refused_yet() -> None:
    """Begin each test as a process that has refused nobody."""
    key_failures.forget()
    audit.forget_refusals()


@pytest.fixture(autouse=True)
def _no_secret_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Look after each test of the suite whether anything that it logged holds a secret."""
    yield
    found = canaries_in(record for when in ("setup", "call") for record in caplog.get_records(when))
    assert found == [], "a log holds secrets"
