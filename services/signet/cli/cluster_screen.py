"""`signet cluster up` on a terminal: the pods as a live table, and keys that break them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

import httpx
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from signet.cli import look
from signet.cli.cluster_table import COLUMNS, cells, happenings, how_to_chat
from signet.cluster.cluster import Cluster, NoSuchPod
from signet.cluster.state import PodState

EVERY = 1.0  # seconds between two looks
NEWS = 6  # lines of what has happened last


class ClusterScreen(App[None]):
    """Draws a cluster that runs, until `q`. The cluster is whoever's has started it."""

    CSS = """
    Screen { background: $background; }
    #title { dock: top; height: 1; padding: 0 1; background: $boost; }
    #pods { height: 1fr; }
    #news { height: 8; padding: 0 1; border: round $primary; border-title-color: $text-muted; }
    #chat { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "kill", "kill -9"),
        Binding("t", "stop_pod", "SIGTERM"),
        Binding("d", "drain", "drain"),
        Binding("u", "undrain", "undrain"),
        Binding("plus", "add", "add", key_display="+"),
        Binding("minus", "remove", "remove", key_display="-"),
        Binding("p", "pause", "pause"),
        Binding("q", "leave", "stop all"),
        Binding("ctrl+c", "leave", "stop all", show=False, priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, cluster: Cluster, every: float = EVERY) -> None:
        super().__init__()
        self._cluster, self._every = cluster, every
        self._pods: Sequence[PodState] = ()
        self._told: deque[str] = deque(maxlen=NEWS)
        self._orders: set[asyncio.Task[None]] = set()

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield DataTable[Text](id="pods", cursor_type="row", zebra_stripes=True)
        yield Static(id="news")
        yield Static(id="chat")
        yield Footer()

    async def on_mount(self) -> None:
        self.query_one("#news").border_title = "what happened"
        for column in COLUMNS:
            self._table.add_column(column, key=column)
        self._table.focus()
        await self.look()
        self.set_interval(self._every, self.look)

    @property
    def _table(self) -> "DataTable[Text]":
        return self.query_one(DataTable)

    # --- what is seen -------------------------------------------------------------------------

    async def look(self) -> None:
        """Ask all pods, and draw what they say, unless the screen was left meanwhile."""
        pods = await self._cluster.pods()
        if not self.is_running:  # its table is gone, or about to go
            return
        if self._pods:
            self._told.extend(happenings(self._pods, pods))
        self._pods = pods
        self._draw()

    def _draw(self) -> None:
        table = self._table
        for pod in self._pods:
            row = [look.styled(cell) for cell in cells(pod)]
            if pod.name not in table.rows:
                table.add_row(*row, key=pod.name)
                continue
            for column, cell in zip(COLUMNS, row, strict=True):
                table.update_cell(pod.name, column, cell, update_width=True)
        for name in {str(row.value) for row in table.rows} - {pod.name for pod in self._pods}:
            table.remove_row(name)
        ready = sum(pod.ready for pod in self._pods)
        rate = sum(pod.rate for pod in self._pods if pod.kind == "gateway")
        self.query_one("#title", Static).update(
            look.styled(
                f"[bold]Signet cluster[/]  {ready} of {len(self._pods)} ready,"
                f" {rate:.0f} messages/s  [quiet]{self._cluster.data}, logs beside it[/]"
            )
        )
        self.query_one("#news", Static).update(Text("\n".join(self._told)))
        lines = how_to_chat(self._cluster.entries)
        text = "\n".join(["[quiet]Two people chat, each in a terminal:[/]", *lines])
        self.query_one("#chat", Static).update(look.styled(text))

    # --- what keys do -------------------------------------------------------------------------

    def _chosen(self) -> PodState | None:
        at = self._table.cursor_row
        names = [str(row.value) for row in self._table.rows]
        chosen = names[at] if 0 <= at < len(names) else ""
        return next((pod for pod in self._pods if pod.name == chosen), None)

    def _order(self, what: str, do: Callable[[str], Awaitable[object]]) -> None:
        """Tell the chosen pod; the table goes on meanwhile."""
        pod = self._chosen()
        if pod is None:
            return
        self._told.append(f"{pod.name}: {what}")
        task = asyncio.create_task(self._carry_out(pod.name, what, do))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _carry_out(
        self, name: str, what: str, do: Callable[[str], Awaitable[object]]
    ) -> None:
        try:
            await do(name)
        except NoSuchPod:
            self._told.append(f"{name}: is not there any more")
        except httpx.HTTPStatusError as refused:
            self._told.append(f"{name}: {what} was refused: {refused.response.text.strip()}")
        except (httpx.HTTPError, httpx.InvalidURL):
            self._told.append(f"{name}: does not answer")
        await self.look()

    def action_kill(self) -> None:
        self._order("kill -9", self._cluster.kill)

    def action_stop_pod(self) -> None:
        self._order("SIGTERM; it gives away what it holds, then comes back", self._cluster.stop)

    def action_drain(self) -> None:
        self._order("drain", self._cluster.drain)

    def action_undrain(self) -> None:
        self._order("undrain", self._cluster.undrain)

    def action_remove(self) -> None:
        self._order("SIGTERM; it does not come back", self._cluster.remove)

    def action_pause(self) -> None:
        async def turn(name: str) -> None:
            pod = self._cluster.pod(name)
            (pod.resume if pod.paused else pod.pause)()

        self._order("SIGSTOP or SIGCONT", turn)

    def action_add(self) -> None:
        pod = self._chosen()
        if pod is not None:
            self._cluster.add(pod.kind)

    def action_leave(self) -> None:
        self.exit()
