"""The operator's calls against the admin port of a real pod."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet_operator.observed import Stage
from signet_operator.pods import Address, PodRefused, Pods
from tests.support.lanes.server import free_port
from tests.support.small_service import SmallService
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
