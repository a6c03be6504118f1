"""The live table, on pods that do nothing (tests/support/small_pod.py)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from signet.cli.cluster_screen import ClusterScreen
from signet.cluster.cluster import Cluster
from signet.ports.members import Kind

SMALL = dict.fromkeys(Kind, "tests.support.small_pod")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    counts = {Kind.GATEWAY: 1, Kind.ROUTER: 1, Kind.KEYS: 1}
    async with Cluster(tmp_path / "data", counts, modules=SMALL) as started:
        yield started


@asynccontextmanager
async def shown(cluster: Cluster) -> AsyncIterator[tuple[ClusterScreen, Pilot[None]]]:
    screen = ClusterScreen(cluster, every=0.1)
    async with asyncio.timeout(60), screen.run_test(size=(130, 30)) as pilot:
        yield screen, pilot


def rows(screen: ClusterScreen) -> list[list[str]]:
    table = screen.query_one(DataTable)
    return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]


def all_ready(screen: ClusterScreen) -> bool:
    """A look that a busy machine answers late shows somebody as not ready: the next one tells."""
    return [row[3] for row in rows(screen)] == ["● yes"] * 3


def text(screen: ClusterScreen, of: str) -> str:
    return str(screen.query_one(of, Static).render())


async def until(pilot: Pilot[None], is_so: Callable[[], bool]) -> None:
    while not is_so():
        await pilot.pause(0.05)


async def test_every_pod_has_a_row_and_the_foot_says_how_to_chat(cluster: Cluster) -> None:
    async with shown(cluster) as (screen, pilot):
        assert [row[0] for row in rows(screen)] == ["gateway-0", "router-0", "keys-0"]
        await until(pilot, lambda: all_ready(screen))
        assert "3 of 3 ready" in text(screen, "#title")
        assert "signet register alice --server http://h:3" in text(screen, "#chat")


async def test_k_kills_the_chosen_pod_and_the_table_shows_its_return(cluster: Cluster) -> None:
    async with shown(cluster) as (screen, pilot):
        pids = {row[0]: row[1] for row in rows(screen)}
        await pilot.press("down", "k")
        await until(pilot, lambda: rows(screen)[1][8] == "1" and rows(screen)[1][3] == "● yes")
        now = {row[0]: row[1] for row in rows(screen)}
        assert now.pop("router-0") != pids.pop("router-0")
        assert now == pids
        assert "router-0: kill -9" in text(screen, "#news")


async def test_plus_adds_one_of_the_chosen_kind_and_minus_takes_it_away(cluster: Cluster) -> None:
    async with shown(cluster) as (screen, pilot):
        await pilot.press("down", "plus")
        await until(pilot, lambda: len(rows(screen)) == 4 and rows(screen)[3][3] == "● yes")
        assert rows(screen)[3][0] == "router-1"
        await pilot.press("down", "down", "minus")
        await until(pilot, lambda: len(rows(screen)) == 3)
        assert cluster.of(Kind.ROUTER) == ["router-0"]


async def test_an_order_that_a_pod_refuses_is_told_and_nothing_else_happens(
    cluster: Cluster,
) -> None:
    async with shown(cluster) as (screen, pilot):
        await pilot.press("d")  # small pods know nothing of drains
        await until(pilot, lambda: "gateway-0: drain was refused" in text(screen, "#news"))
        await until(pilot, lambda: all_ready(screen))


async def test_p_pauses_a_pod_and_lets_it_go_on(cluster: Cluster) -> None:
    async with shown(cluster) as (screen, pilot):
        await pilot.press("p")
        await until(pilot, lambda: rows(screen)[0][2] == "paused")
        await pilot.press("p")
        await until(pilot, lambda: rows(screen)[0][3] == "● yes")


async def test_q_leaves_the_screen_and_the_pods_to_whoever_started_them(cluster: Cluster) -> None:
    async with shown(cluster) as (screen, pilot):
        await pilot.press("q")
        await until(pilot, lambda: not screen.is_running)
        assert all(cluster.pod(name).pid for name in cluster.names)
