"""The cluster's own part, on pods that do nothing (tests/support/small_pod.py)."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from signet.cluster.child import DidNotStart
from signet.cluster.cluster import Cluster, NoSuchPod, NotReady
from signet.cluster.parts import Phase
from signet.cluster.state import PodState
from signet.data_folder import FolderInUse
from signet.ports.members import Kind

SMALL = dict.fromkeys(Kind, "tests.support.small_pod")
PATIENCE = 60.0  # seconds in which what must happen has to happen


def small(folder: Path, again: bool = True, **counts: int) -> Cluster:
    wanted = {Kind(kind): count for kind, count in counts.items()}
    return Cluster(folder / "data", wanted, modules=SMALL, again=again)


@asynccontextmanager
async def patient() -> AsyncIterator[None]:
    async with asyncio.timeout(PATIENCE):
        yield


def runs(process: psutil.Process) -> bool:
    """A zombie has ended; nobody may be there to bury it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def state_of(cluster: Cluster, name: str) -> PodState:
    return next(pod for pod in await cluster.pods() if pod.name == name)


async def test_all_are_there_and_ready_and_gone_at_the_end(tmp_path: Path) -> None:
    async with small(tmp_path, gateway=2, keys=1) as cluster:
        async with patient():  # a look that a busy machine answers late shows nobody as ready
            pods = await cluster.pods()
            while not all(pod.ready for pod in pods):
                pods = await cluster.pods()
        assert [pod.name for pod in pods] == ["gateway-0", "gateway-1", "keys-0"]
        assert all(pod.phase is Phase.RUNNING and pod.rss > 0 for pod in pods)
        assert len(cluster.entries.websocket) == 2
        assert cluster.entries.rest == ("http://h:3",)
        processes = [psutil.Process(pod.pid) for pod in pods]
    assert not any(process.is_running() for process in processes)
    assert len(cluster.entries.websocket) == 0


async def test_a_killed_pod_comes_back_under_its_name_at_its_old_address(tmp_path: Path) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        before = await state_of(cluster, "router-0")
        await cluster.kill("router-0")
        assert not psutil.pid_exists(before.pid)
        await cluster.ready("router-0")
        after = await state_of(cluster, "router-0")
        assert after.pid != before.pid
        assert after.addresses["admin"] == before.addresses["admin"]
        assert (before.restarts, after.restarts) == (0, 1)


async def test_one_pod_may_have_settings_of_its_own(tmp_path: Path) -> None:
    refuses = tmp_path / "elsewhere"
    refuses.mkdir()
    (refuses / "router-1.refuses").touch()
    own = {"router-1": {"SIGNET_DATA": str(refuses)}}
    cluster = Cluster(
        tmp_path / "data",
        {Kind.ROUTER: 2},
        modules=SMALL,
        settings_of=lambda name: own.get(name, {}),
    )
    with pytest.raises(DidNotStart, match=r"^router-1 did not start"):
        await cluster.start()


async def test_a_pod_whose_port_was_taken_meanwhile_comes_back_on_another(tmp_path: Path) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        before = (await state_of(cluster, "router-0")).addresses["admin"]
        await cluster.kill("router-0", again=False)
        port = int(before.rpartition(":")[2])
        taking = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        async with taking:
            cluster.begin("router-0")
            await cluster.until(lambda: cluster.pod("router-0").phase is Phase.RUNNING)
            assert (await state_of(cluster, "router-0")).addresses["admin"] != before


@pytest.mark.parametrize("end", [Cluster.kill, Cluster.stop])
async def test_a_pod_stays_away_when_told_so_until_it_is_begun(
    tmp_path: Path, end: Callable[..., Awaitable[object]]
) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        await end(cluster, "router-0", again=False)
        await cluster.until(lambda: cluster.pod("router-0").phase is Phase.ENDED)
        assert (await state_of(cluster, "router-0")).pid == 0
        cluster.begin("router-0")
        await cluster.ready("router-0")


async def test_a_cluster_that_starts_nothing_again_leaves_the_dead_away(tmp_path: Path) -> None:
    async with small(tmp_path, again=False, router=1) as cluster, patient():
        await cluster.kill("router-0")
        await cluster.until(lambda: cluster.pod("router-0").phase is Phase.ENDED)


async def test_a_paused_pod_does_not_answer_and_goes_on_as_the_same_process(tmp_path: Path) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        before = await state_of(cluster, "router-0")
        cluster.pause("router-0")
        paused = await state_of(cluster, "router-0")
        assert (paused.phase, paused.ready, paused.pid) == (Phase.PAUSED, False, before.pid)
        cluster.resume("router-0")
        await cluster.ready("router-0")
        assert (await state_of(cluster, "router-0")).pid == before.pid


async def test_a_paused_pod_ends_with_the_others(tmp_path: Path) -> None:
    async with patient():
        async with small(tmp_path, router=1) as cluster:
            pid = cluster.pod("router-0").pid
            cluster.pause("router-0")
        assert not psutil.pid_exists(pid)


async def test_a_pod_that_does_not_end_is_killed_after_its_time_and_its_stubbornness_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "router-1.stays").touch()
    async with small(tmp_path, router=2) as cluster, patient():
        pid = cluster.pod("router-1").pid
        assert await cluster.stop("router-0")
        assert not await cluster.stop("router-1", within=0.5)
        assert not psutil.pid_exists(pid)


async def test_a_paused_pod_that_is_asked_to_end_goes_on_and_ends(tmp_path: Path) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        cluster.pause("router-0")
        assert await cluster.stop("router-0", again=False)


async def test_one_more_can_be_added_and_removed(tmp_path: Path) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        name = cluster.add(Kind.ROUTER)
        await cluster.ready(name)
        assert cluster.of(Kind.ROUTER) == ["router-0", "router-1"]
        pid = cluster.pod(name).pid
        await cluster.remove(name)
        assert not psutil.pid_exists(pid)
        with pytest.raises(NoSuchPod):
            cluster.pod(name)


async def test_a_pod_that_cannot_start_ends_the_start_with_its_words(tmp_path: Path) -> None:
    cluster = small(tmp_path, router=2)
    cluster.data.mkdir()
    (cluster.data / "router-1.refuses").touch()
    with pytest.raises(DidNotStart, match="refused to start"):
        await cluster.start()
    assert all(cluster.pod(name).pid == 0 for name in cluster.names)


async def test_last_words_are_of_the_life_that_failed(tmp_path: Path) -> None:
    async with small(tmp_path, router=1) as cluster, patient():
        (cluster.data / "router-0.refuses").touch()
        await cluster.kill("router-0")
        await cluster.until(lambda: cluster.pod("router-0").failure is not None)
        assert (await state_of(cluster, "router-0")).why == "refused to start"
        (cluster.data / "router-0.refuses").unlink()
        await cluster.ready("router-0")


async def test_a_second_cluster_on_the_same_data_is_refused_while_the_first_runs(
    tmp_path: Path,
) -> None:
    second = small(tmp_path, router=1)
    async with small(tmp_path, router=1):
        with pytest.raises(FolderInUse) as refused:
            await second.start()
        assert refused.value.pid == os.getpid()
    async with second:
        assert second.pod("router-0").pid


async def test_who_waits_for_readiness_is_told_who_is_not_and_why(tmp_path: Path) -> None:
    async with small(tmp_path, router=2) as cluster, patient():
        (cluster.data / "router-1.unready").touch()
        with pytest.raises(NotReady, match=r"^router-1: not yet$"):
            await cluster.ready(within=0.5)


async def test_no_pod_outlives_a_cluster_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from tests.unit.cluster.test_cluster import small\n"
        "async def main():\n"
        "    cluster = small(Path(sys.argv[1]), router=1)\n"
        "    await cluster.start()\n"
        "    print(cluster.pod('router-0').pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    assert parent.stdout is not None
    try:
        async with patient():
            pod = psutil.Process(int(await parent.stdout.readline()))
    finally:
        parent.kill()
        await parent.wait()
    async with patient():
        while runs(pod):
            await asyncio.sleep(0.02)
