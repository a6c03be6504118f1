"""One service in one process: record, admin port, refusals. The members are this process's own."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from signet.adapters.members_memory import MemoryMembers
from signet.core.ids import Incarnation
from signet.pod.listening import PortTaken
from signet.pod.pod import LOST, Pod, Running
from signet.pod.stores import StoreRefused, Stores
from signet.ports.members import Kind, Member, Members, State
from signet.settings import BadSettings, Settings
from tests.support.small_service import SmallService


class OneList(MemoryMembers):
    """Pods of one test see each other; closing is the test's own."""

    async def close(self) -> None:
        return


def settings(folder: Path, **more: Any) -> Settings:
    wanted: dict[str, Any] = {"data": folder / "data", "admin_port": 0, "leave_s": 30, **more}
    return Settings(**wanted)


@asynccontextmanager
async def running(
    folder: Path, service: SmallService, members: Members | None = None, **more: Any
) -> AsyncIterator[tuple[Pod, httpx.AsyncClient]]:
    died: list[int] = []
    pod = Pod(settings(folder, **more), Kind.GATEWAY, die=died.append)
    pod.stores = ListStores(pod, members or OneList())

    async def build(_: Pod) -> Running:
        return Running(service=service, public="ws://there", listens={"websocket": "ws://here"})

    await pod.start(build)
    try:
        async with httpx.AsyncClient(base_url=pod.listens["admin"]) as admin:
            yield pod, admin
    finally:
        await pod.stop()
        pod.folder.unlock()


class ListStores(Stores):
    """Stores whose members are a list of the test."""

    def __init__(self, pod: Pod, members: Members) -> None:
        super().__init__(pod.settings, pod.folder, pod.name, pod.stack)
        self._members = members

    def members(self) -> Members:
        return self._members


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def stage(admin: httpx.AsyncClient, wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (found := (await admin.get("/v1/pod")).json())["stage"] != wanted:
            await asyncio.sleep(0.01)
        return dict(found)


def other(name: str, state: State = State.ACTIVE) -> Member:
    return Member(Kind.GATEWAY, name, "there:1", state, 1, Incarnation(bytes(16)))


async def test_its_record_says_joining_then_active_then_draining_and_is_gone_at_the_end(
    tmp_path: Path,
) -> None:
    members, service = OneList(), SmallService(1000)
    service.why = "no router answers"
    await members.put(other("b"))
    async with running(tmp_path, service, members, name="a") as (pod, admin):
        (mine, _) = await members.list()
        assert (mine.name, mine.state, mine.load) == ("a", State.JOINING, 1000)
        assert (await admin.get("/readyz")).text == "no router answers\n"
        service.why = ""
        async with asyncio.timeout(30):
            while (await members.list())[0].state is not State.ACTIVE:
                await asyncio.sleep(0.01)
        mine = (await members.list())[0]
        assert (mine.accepts, mine.public, mine.incarnation) == (7.0, "ws://there", pod.incarnation)
        assert (await admin.get("/readyz")).status_code == 200
        answer = await admin.post("/v1/drain", json={"deadline_s": 60, "rate": 1})
        assert answer.status_code == 202
        await until(lambda: bool(service.orders))
        assert (await members.list())[0].state is State.DRAINING
        assert (await members.list())[0].accepts == 0
        assert (await admin.get("/readyz")).text == "draining\n"
    assert [member.name for member in await members.list()] == ["b"]
    assert service.stopped == 1


async def test_the_admin_port_says_what_the_pod_is_and_whom_it_sees(tmp_path: Path) -> None:
    members = OneList()
    await members.put(other("b", State.DRAINING))
    async with running(tmp_path, SmallService(3), members, name="a") as (pod, admin):
        said = await stage(admin, "active")
        assert said["kind"] == "gateway"
        assert said["incarnation"] == pod.incarnation.hex()
        assert (said["load"], said["accepts"], said["status"]) == (3, 7.0, {"holds": 3})
        assert said["listens"]["websocket"] == "ws://here"
        assert [(m["name"], m["state"]) for m in said["members"]][1] == ("b", "draining")


async def test_who_divides_users_into_another_number_of_shards_than_a_router_does_not_join(
    tmp_path: Path,
) -> None:
    """It names both numbers; its rings hold nobody of the other; it joins when they agree."""
    members = OneList()
    router = Member(Kind.ROUTER, "router-0", "there:1", State.ACTIVE, 1, bytes(16), shards=1024)
    gateway = replace(other("gateway-1"), shards=512)
    for member in (router, gateway, other("gateway-2")):
        await members.put(member)
    async with running(tmp_path, SmallService(), members, name="a", shards=512) as (pod, admin):
        said = "shards (SIGNET_SHARDS): 512 here, 1024 at router-0\n"
        await until(lambda: pod.not_ready() + "\n" == said)
        assert (await admin.get("/readyz")).text == said
        mine = (await members.list())[0]
        assert (mine.state, mine.shards) == (State.JOINING, 512)
        names = [member.name for member in await pod.members.list()]
        assert names == ["a", "gateway-1", "gateway-2"]  # of the same number, and of none
        shown = (await admin.get("/v1/pod")).json()["members"]
        assert ("router-0", 1024) in [(one["name"], one["shards"]) for one in shown]
        await members.put(replace(router, shards=512))
        await stage(admin, "active")
        await until(lambda: pod.not_ready() == "")
        assert router.name in [member.name for member in await pod.members.list()]


async def test_a_drain_can_be_aborted_by_the_admin_port_and_not_twice(tmp_path: Path) -> None:
    members = OneList()
    await members.put(other("b"))
    async with running(tmp_path, SmallService(1000), members) as (pod, admin):
        await until(lambda: pod.not_ready() == "")
        assert (await admin.post("/v1/undrain")).status_code == 409
        drained = (await admin.post("/v1/drain", json={"deadline_s": 60})).json()
        assert drained["stage"] == "draining"
        assert 59 < drained["deadline_s"] <= 60
        assert (await admin.post("/v1/undrain")).json()["stage"] == "active"
        assert (await admin.get("/readyz")).status_code == 200


async def test_the_admin_port_asks_the_service_to_rebalance(tmp_path: Path) -> None:
    service = SmallService()
    async with running(tmp_path, service, OneList()) as (_, admin):
        answer = await admin.post("/v1/rebalance")
        assert (answer.status_code, service.rebalanced) == (202, 1)


async def test_a_drain_without_a_body_has_the_deadline_of_the_settings(tmp_path: Path) -> None:
    members = OneList()
    await members.put(other("b"))
    async with running(tmp_path, SmallService(1000), members) as (_, admin):
        assert 29 < (await admin.post("/v1/drain")).json()["deadline_s"] <= 30


async def test_a_pod_that_is_alone_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with running(tmp_path, SmallService(1000)) as (pod, _):
        pod.end(3600)
        async with asyncio.timeout(30):
            await pod.ended.wait()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"deadline_s": -1}', "deadline_s: "),
        (b'{"dead_line": 1}', "dead_line: "),
        (b"[]", "body: "),
        (b"{", "body: "),
    ],
)
async def test_a_drain_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, body: bytes, said: str
) -> None:
    async with running(tmp_path, SmallService()) as (_, admin):
        answer = await admin.post("/v1/drain", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"] == "BAD_REQUEST"
        assert answer.json()["detail"].startswith(said)
        assert (await admin.post("/v1/drain", content=b" " * 100_000)).status_code == 413
        assert (await admin.get("/v1/drain")).status_code == 404


async def test_a_lost_lease_ends_the_process_with_a_status_of_its_own(tmp_path: Path) -> None:
    died: list[int] = []
    pod = Pod(settings(tmp_path), Kind.ROUTER, die=died.append)
    pod.lost()
    assert died == [LOST]


async def test_a_pod_whose_address_nobody_can_dial_does_not_start(tmp_path: Path) -> None:
    pod = Pod(settings(tmp_path, host="0.0.0.0"), Kind.ROUTER)
    with pytest.raises(BadSettings, match=r"advertise \(SIGNET_ADVERTISE\)"):
        await pod.start(_never)


async def test_a_taken_admin_port_is_named(tmp_path: Path) -> None:
    async with running(tmp_path, SmallService()) as (first, _):
        port = int(first.listens["admin"].rsplit(":", 1)[1])
        wanted = settings(tmp_path, admin_port=port)
        with pytest.raises(PortTaken, match="admin_port"):
            await Pod(wanted, Kind.ROUTER).start(_never)


async def test_a_store_that_does_not_open_is_named_by_its_setting(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    pod = Pod(settings(tmp_path, members=f"sqlite:///{folder}/x.sqlite"), Kind.ROUTER)
    with pytest.raises(StoreRefused, match=r"members \(SIGNET_MEMBERS\): "):
        await pod.start(_never)


async def _never(_: Pod) -> Running:
    raise AssertionError("it was to be refused before")


async def test_it_names_the_stores_it_has_opened_and_whether_they_answer(tmp_path: Path) -> None:
    """A file that another process has locked takes no writes; the pod stays ready."""
    pod = Pod(settings(tmp_path), Kind.GATEWAY)

    async def build(pod: Pod) -> Running:
        pod.stores.limits()  # in this process's memory: never away, and not named
        return Running(service=SmallService())

    await pod.start(build)
    try:
        async with httpx.AsyncClient(base_url=pod.listens["admin"]) as admin:
            since = (await stores_of(admin, {"members": True}))["members"]["since_ms"]
            with closing(sqlite3.connect(pod.folder.store("members")[10:])) as other:
                other.execute("BEGIN IMMEDIATE")
                away = (await stores_of(admin, {"members": False}))["members"]
                assert since < away["since_ms"] <= time.time() * 1000
                assert (await admin.get("/readyz")).status_code == 200
            await stores_of(admin, {"members": True})
    finally:
        await pod.stop()
        pod.folder.unlock()


async def stores_of(admin: httpx.AsyncClient, wanted: dict[str, bool]) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            found = dict((await admin.get("/v1/pod")).json()["stores"])
            if {name: reach["reachable"] for name, reach in found.items()} == wanted:
                return found
            await asyncio.sleep(0.01)
