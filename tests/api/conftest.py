"""What tests of the API share."""

import pytest

from tests.api.routes import Things, things
from tests.cast import Cast


@pytest.fixture
def prepared(cast: Cast) -> Things:
    """The cast with one row of each kind that an address can name."""
    return things(cast)
