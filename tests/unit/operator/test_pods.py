"""The operator's calls against the admin port of a real pod."""

import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet_operator.names import TIER_LABEL
from signet_operator.observed import Stage
from signet_operator.pods import Address, PodRefused, Pods, address_of
from tests.support.lanes.server import free_port
from tests.support.small_service import SmallService
from tests.unit.operator.clusters import plain
from tests.unit.pod.test_pod import OneList, other, running, until

UID = "one"


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    made = Pods(time.time)
    yield made
    await made.close()


async def test_a_pod_is_asked_drained_and_taken_back(tmp_path: Path, pods: Pods) -> None:
    members = OneList()
    await members.put(other("b"))
    async with running(tmp_path, SmallService(1000), members) as (pod, _):
        await until(lambda: pod.not_ready() == "")
        at = Address(UID, pod.listens["admin"])
        assert (await pods.look([at]))[UID].stage is Stage.ACTIVE
        await pods.drain(at, 60, 5.0)
        said = (await pods.look([at]))[UID]
        assert said.stage is Stage.DRAINING
        assert 59 < said.left_s <= 60
        await pods.undrain(at)
        assert (await pods.look([at]))[UID].stage is Stage.ACTIVE
        with pytest.raises(PodRefused, match="409"):
            await pods.undrain(at)


@pytest.mark.parametrize(("ip", "host"), [("10.0.0.7", "10.0.0.7"), ("fd00::7", "[fd00::7]")])
def test_a_pod_is_dialled_at_its_ip_and_named_by_its_tier(ip: str, host: str) -> None:
    labels = {TIER_LABEL: "router"}
    meta = {"name": "blue-router-1", "namespace": "chat", "uid": UID, "labels": labels}
    pod = {"metadata": meta, "status": {"podIP": ip}}
    assert address_of(plain(), pod, None) == Address(UID, f"http://{host}:7403")
    tls = ssl.create_default_context()
    name = "blue-router-1.blue-router.chat.svc"
    assert address_of(plain(), pod, tls) == Address(UID, f"https://{host}:7403", name, tls)
    asked = address_of(plain(), pod, tls, template="http://{ip}:1/{namespace}/{cluster}/{pod}")
    assert asked == Address(UID, f"http://{host}:1/chat/blue/blue-router-1")


async def test_a_gateway_is_asked_to_rebalance(tmp_path: Path, pods: Pods) -> None:
    service = SmallService()
    async with running(tmp_path, service, OneList()) as (pod, _):
        await pods.rebalance(Address(UID, pod.listens["admin"]))
        assert service.rebalanced == 1


async def test_a_pod_that_is_not_there_refuses_and_says_nothing(pods: Pods) -> None:
    nowhere = Address(UID, f"http://127.0.0.1:{free_port()}")
    assert await pods.look([nowhere]) == {}
    with pytest.raises(PodRefused):
        await pods.rebalance(nowhere)
