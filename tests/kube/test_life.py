"""A MessagingCluster from its first apply to its end, on real nodes and stores, people on it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube_messenger import Messenger, install_operator, until
from tests.support.lanes.kube import Kube
from tests.support.lanes.kube.stores import KubeStores

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def chat(kube: Kube, kube_stores: KubeStores) -> Iterator[Messenger]:
    """The operator, and one messenger that is ready."""
    releases = install_operator(kube)
    namespace = "life"
    kube.kubectl("create", "namespace", namespace)
    kube.await_account(namespace)
    messenger = Messenger(kube, namespace, kube_stores.urls("life"))
    messenger.create()
    messenger.await_ready()
    yield messenger
    kube.kubectl("delete", "namespace", namespace, "--wait=false")
    releases.uninstall("signet")
    releases.close()


async def test_one_resource_is_a_messenger_on_which_people_talk(
    chat: Messenger, tmp_path: Path
) -> None:
    async with chat.people(tmp_path) as people:
        people.talk()
        await asyncio.sleep(5)
        count = await people.end()
    assert count.sent > 30


async def test_a_scale_in_drains_before_it_shrinks_and_loses_nothing(
    chat: Messenger, tmp_path: Path
) -> None:
    async with chat.people(tmp_path) as people:
        people.talk()
        chat.patch({"gateway": {"replicas": 1}})
        await people.meanwhile(lambda: until("one gateway", lambda: len(chat.pods("gateway")) == 1))
        await people.meanwhile(chat.await_ready)
        chat.patch({"gateway": {"replicas": 3}})
        await people.meanwhile(chat.await_ready)
        count = await people.end()
    assert count.sent > 30
