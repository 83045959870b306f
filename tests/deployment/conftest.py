"""The images, built once for all tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import AGENT, REPOSITORY
from tests.deployment.room import Image, build
from tests.servers.plugin import SKIPPED
from tests.servers.process import Unavailable
from tests.servers.suites import suites_folder


@pytest.fixture(scope="session")
def control_plane_image() -> Iterator[Image]:
    """What `docker build .` makes."""
    yield from _built(REPOSITORY)


@pytest.fixture(scope="session")
def agent_image() -> Iterator[Image]:
    """What `docker build agent/` makes."""
    yield from _built(AGENT)


def _built(source: Path) -> Iterator[Image]:
    suites_folder().mkdir(parents=True, exist_ok=True)
    # An overlay cannot lie on another one, which a temporary folder may be part of.
    place = Path(tempfile.mkdtemp(prefix="image-", dir=suites_folder()))
    place.chmod(0o755)
    try:
        yield build(source, place)
    except Unavailable as reason:
        pytest.skip(f"{SKIPPED}a room for images: {reason}")
    finally:
        shutil.rmtree(place)
