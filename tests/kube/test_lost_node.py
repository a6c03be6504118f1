"""A node of which nobody hears: its pods are made anew elsewhere, once they can serve nobody."""

from pathlib import Path

import pytest

from tests.support.kube_messenger import Messenger
from tests.support.kube_people import FEW, people

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]


def placed(chat: Messenger) -> dict[str, str]:
    """The nodes of gateways and routers that are not on their way out."""
    pods = [*chat.pods("gateway"), *chat.pods("router")]
    return {
        pod["metadata"]["name"]: pod["spec"].get("nodeName", "")
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
    }


async def test_pods_of_a_lost_node_are_made_anew_on_the_other(
    chat: Messenger, tmp_path: Path
) -> None:
    lost = chat.kube.nodes[1]
    there = {name for name, node in placed(chat).items() if node == lost.name}
    assert there, "both nodes have pods"
    async with people(chat, tmp_path, FEW) as some:
        lost.stop_kubelet()
        try:
            await some.meanwhile(
                lambda: chat.until("they are given up", lambda: not there & placed(chat).keys())
            )
            await some.talk_on()
            assert chat.events("LostPod") == []  # they run, and their records stand
            lost.cut_off()
            await some.meanwhile(
                lambda: chat.until(
                    "all are elsewhere",
                    lambda: placed(chat).keys() >= there and lost.name not in placed(chat).values(),
                )
            )
            await some.meanwhile(lambda: chat.await_ready(gateways=3))
            await some.talk_on()
        finally:
            lost.join()  # also where it was not cut off
            lost.start_kubelet()
            await some.meanwhile(chat.kube.await_nodes)
        await some.meanwhile(lambda: chat.await_ready(gateways=3))
    assert {event["regarding"]["name"] for event in chat.events("LostPod")} >= there
