"""Templates are rendered by Helm's own engine; where it cannot be had, these tests do not run."""

import pytest

from tests.support.lanes import LaneUnavailableError
from tests.support.lanes.helm import engine


@pytest.fixture(autouse=True, scope="session")
def helm() -> None:
    try:
        engine()
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
