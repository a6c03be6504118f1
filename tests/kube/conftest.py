"""What tests of a whole control plane, and of the operator on nodes, share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube_messenger import Messenger, operator
from tests.support.lanes import LaneUnavailableError
from tests.support.lanes.helm import Releases, engine
from tests.support.lanes.kube import Kube, KubeApi, api
from tests.support.lanes.kube.stores import KubeStores


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


@pytest.fixture(scope="session")
def installed_operator(kube: Kube) -> Iterator[Releases]:
    """Two replicas, for all clusters of `kube`."""
    try:
        engine()
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    with operator(kube) as releases:
        yield releases


@pytest.fixture(scope="session")
def shared_chat(
    kube: Kube, kube_stores: KubeStores, installed_operator: Releases
) -> Iterator[Messenger]:
    messenger = Messenger(kube, "life", kube_stores.urls("life"))
    messenger.create()
    yield messenger
    kube.kubectl("delete", "namespace", "life", "--wait=false")


@pytest.fixture
def chat(shared_chat: Messenger) -> Messenger:
    """A messenger that is ready, with three gateways. Who changes it puts it back."""
    shared_chat.await_ready(gateways=3)
    return shared_chat
