"""A MessagingCluster from its first apply to its end, on real nodes and stores, people on it."""

from pathlib import Path

import pytest

from tests.support.kube_messenger import OPERATOR, SMALL, SYSTEM, Messenger
from tests.support.kube_people import FEW, people
from tests.support.lanes.helm import Releases
from tests.support.lanes.kube import Kube
from tests.support.lanes.kube.stores import KubeStores

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]


async def test_one_resource_is_a_messenger_on_which_people_talk(
    chat: Messenger, tmp_path: Path
) -> None:
    async with people(chat, tmp_path, FEW) as some:
        await some.talk_on(60)
    for tier, count in {"gateway": 3, "router": 2, "keys": 1, "push": 1}.items():
        assert len(chat.pods(tier)) == count


def test_a_messenger_of_the_charts_answers_and_leaves_what_it_was_to_retain(
    kube: Kube, kube_stores: KubeStores, installed_operator: Releases
) -> None:
    assert "ready" in installed_operator.test(OPERATOR)
    brief = Messenger(kube, "brief", kube_stores.urls("brief"))
    one = {"replicas": 1, "resources": SMALL}
    try:
        with brief.installed(gateway=one, router=one, retain=["Secret"]) as releases:
            brief.await_ready()
            assert "7401 takes connections" in releases.test("chat")
            uid = brief.get("msgc", "chat")["metadata"]["uid"]
            assert authorities(kube, uid)
        brief.until("the rest is gone", lambda: left(brief) == ["secret/chat-shared"])
        brief.until("its authority is gone", lambda: not authorities(kube, uid))
    finally:
        kube.kubectl("delete", "namespace", "brief", "--wait=false")


def left(chat: Messenger) -> list[str]:
    """All that belongs to the messenger, or is named after it."""
    kinds = chat.kube.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    labels = "app.kubernetes.io/instance=chat"
    return chat.kubectl("get", ",".join(kinds), "-l", labels, "-o", "name").split()


def authorities(kube: Kube, uid: str) -> str:
    labels = f"messaging.signet.dev/cluster-uid={uid}"
    return kube.kubectl("get", "secrets", "-n", SYSTEM, "-l", labels, "-o", "name")
