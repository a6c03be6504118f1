"""Kubernetes as fixtures: one for the whole run. Tests take a namespace of their own in it."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lanes.cache import LaneUnavailableError
from tests.support.lanes.kube import api, cluster, images
from tests.support.lanes.kube.api import KubeApi
from tests.support.lanes.kube.cluster import Kube
from tests.support.lanes.kube.stores import KubeStores


@pytest.fixture(scope="session")
def kube_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """The control plane alone: objects are taken and refused, nothing runs."""
    try:
        made = api.make(Path(tmp_path_factory.mktemp("lane-kube-api")), print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A cluster that runs pods, with the project's images on its nodes (`images.name`)."""
    try:
        made = cluster.make(Path(tmp_path_factory.mktemp("lane-kube")), print)
        built = images.archive(print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    try:
        made.start().load(built)
        yield made
    finally:
        made.kill()


@pytest.fixture(scope="session")
def kube_stores(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeStores]:
    """Real stores that pods of `kube` reach."""
    made = KubeStores(kube, Path(tmp_path_factory.mktemp("lane-kube-stores")), print)
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture
def kube_namespace(kube: Kube) -> Iterator[str]:
    """A namespace of the test's own in `kube`."""
    with namespace(kube) as name:
        yield name


@pytest.fixture
def kube_api_namespace(kube_api: KubeApi) -> Iterator[str]:
    """A namespace of the test's own in `kube_api`."""
    with namespace(kube_api) as name:
        yield name


@contextlib.contextmanager
def namespace(kube: KubeApi) -> Iterator[str]:
    """With its service account; its removal is not waited for."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", name)
    kube.await_account(name)
    try:
        yield name
    finally:
        kube.kubectl("delete", "namespace", name, "--wait=false")
