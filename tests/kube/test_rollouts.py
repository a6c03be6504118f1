"""What changes pods: another image, one that is not to be had, evictions, and hands."""

import json
from pathlib import Path
from typing import Any

import pytest

from signet_operator import names
from tests.support.kube_messenger import SYSTEM, Messenger, leader, until
from tests.support.kube_people import FEW, people
from tests.support.lanes.kube import KubectlFailed, images

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]
NOWHERE = "sha256:" + 64 * "0"
SECONDS = 60.0  # within which a change by hand is put right; a few on a quiet machine


def gateways(chat: Messenger) -> dict[str, str]:
    """UIDs by name."""
    return {p["metadata"]["name"]: p["metadata"]["uid"] for p in chat.pods("gateway")}


def template_hash(chat: Messenger) -> str:
    found = chat.get("sts", "chat-gateway")["metadata"]["annotations"]
    return str(found[names.TEMPLATE_HASH])


async def test_another_image_is_rolled_out_and_nothing_is_lost(
    chat: Messenger, tmp_path: Path
) -> None:
    digest = retagged(chat)
    before = gateways(chat)
    async with people(chat, tmp_path, FEW) as some:
        chat.patch({"image": {"digests": {"gateway": digest}}})
        await some.meanwhile(lambda: chat.until("four", lambda: len(gateways(chat)) == 4))
        await some.meanwhile(lambda: chat.await_ready(gateways=3))
        await some.talk_on()
    after = chat.pods("gateway")
    assert not set(gateways(chat).values()) & set(before.values())
    assert all(pod["spec"]["containers"][0]["image"].endswith(digest) for pod in after)


async def test_an_image_that_is_not_to_be_had_is_taken_back_and_not_tried_again(
    chat: Messenger, tmp_path: Path
) -> None:
    before, asked = gateways(chat), chat.get("msgc", "chat")["spec"]["image"]
    async with people(chat, tmp_path, FEW) as some:
        chat.patch({"image": {"digests": {"gateway": NOWHERE}}})
        try:
            await some.meanwhile(
                lambda: chat.until("a rollout that failed", lambda: chat.events("RolloutFailed"))
            )
            await some.meanwhile(lambda: chat.until("as before", lambda: gateways(chat) == before))
            failed, dead = template_hash(chat), leader(chat.kube)
            kill_operators(chat)  # what has failed is not in anybody's memory
            await some.meanwhile(
                lambda: chat.until("another leads", lambda: leader(chat.kube) not in {"", dead})
            )
            await some.talk_on(60)
            assert template_hash(chat) == failed
            assert gateways(chat) == before
            assert chat.condition("Degraded")["status"] == "True"
        finally:
            chat.patch({"image": {**asked, "digests": asked.get("digests")}})
        await some.meanwhile(lambda: chat.await_ready(gateways=3))
    assert gateways(chat) == before


def test_a_pod_that_drains_keeps_its_peer_and_may_go_itself(chat: Messenger) -> None:
    drains, peer = "chat-gateway-2", "chat-gateway-1"
    before = gateways(chat)
    chat.kubectl("annotate", "pod", drains, f"{names.DRAIN}=true")
    chat.until("it is not ready", lambda: not is_ready(chat, drains))
    chat.until("its budget knows", lambda: allowed(chat) == 0)
    with pytest.raises(KubectlFailed, match="disruption budget"):
        evict(chat, peer)
    evict(chat, drains)
    chat.until(
        "it is made anew", lambda: gateways(chat).get(drains, "") not in {"", before[drains]}
    )
    chat.await_ready(gateways=3)
    assert gateways(chat)[peer] == before[peer]


def test_changes_by_hand_are_put_right(chat: Messenger) -> None:
    before = gateways(chat)
    chat.kubectl("delete", "pdb", "chat-gateway")
    service = {"spec": {"selector": {names.TIER_LABEL: "router"}}}
    chat.kubectl("patch", "svc", "chat-gateway", "--type=merge", "-p", json.dumps(service))
    chat.kubectl("set", "image", "sts/chat-gateway", "signet=localhost/another:1")
    until("the budget", lambda: chat.find("pdb", "chat-gateway"), SECONDS)
    until("the Service", lambda: selected(chat) == "gateway", SECONDS)
    until("the template", lambda: "another" not in image_of(chat), SECONDS)
    with pytest.raises(KubectlFailed, match="drained before they go"):
        chat.kubectl("scale", "sts", "chat-gateway", "--replicas=1")
    chat.await_ready(gateways=3)
    assert gateways(chat) == before  # none was replaced by any of it


def selected(chat: Messenger) -> str:
    return str(chat.get("svc", "chat-gateway")["spec"]["selector"][names.TIER_LABEL])


def image_of(chat: Messenger) -> str:
    pod = chat.get("sts", "chat-gateway")["spec"]["template"]["spec"]
    return str(pod["containers"][0]["image"])


def is_ready(chat: Messenger, pod: str) -> bool:
    found = chat.get("pod", pod)["status"].get("conditions") or ()
    return ("Ready", "True") in {(one["type"], one["status"]) for one in found}


def allowed(chat: Messenger) -> int:
    """How many gateways may be evicted now."""
    return int(chat.get("pdb", "chat-gateway")["status"]["disruptionsAllowed"])


def evict(chat: Messenger, pod: str) -> None:
    """As `kubectl drain` does. Raises KubectlFailed: its budget does not allow it."""
    where = f"/api/v1/namespaces/{chat.namespace}/pods/{pod}/eviction"
    body: Any = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    chat.kube.kubectl("create", "--raw", where, "-f", "-", given=json.dumps(body))


def retagged(chat: Messenger) -> str:
    """The digest of the gateway's image, by which it can be named, too: another template."""
    digest = ""
    for node in chat.kube.nodes:
        digest = node.digest(images.name("gateway"))
        node.name_image(images.name("gateway"), f"localhost/signet-gateway@{digest}")
    return digest


def kill_operators(chat: Messenger) -> None:
    kill = ("delete", "pod", "-n", SYSTEM, "--all", "--force", "--grace-period=0")
    chat.kube.kubectl(*kill)
