"""What all tests share. The servers come from the plugin `tests.servers.plugin`."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.cast import Cast, assemble

# Two cores shared with database servers: time says nothing about the code under test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "fuzz", settings.get_profile("default"), max_examples=int(os.environ.get("DBPOWER_FUZZ_EXAMPLES", "2000"))
)
settings.load_profile("default")


@pytest.fixture
def cast(db: None) -> Cast:
    """The people and things of `tests.cast`."""
    return assemble()
