"""What tests of a whole control plane share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lanes import LaneUnavailableError
from tests.support.lanes.helm import engine
from tests.support.lanes.kube import KubeApi, api


@pytest.fixture(scope="module")
def own_kube_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """A control plane of one file's own: what Helm installs holds for all of it."""
    try:
        engine()
        made = api.make(Path(tmp_path_factory.mktemp("lane-kube-own")), print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    try:
        yield made.start()
    finally:
        made.kill()
