"""`signet bench`: what a message costs, and how long it takes, on this machine.

The server runs in a process of its own, on a disk of this machine, and a second process loads
it with the raw protocol (no encryption: the server is measured, not Python's cryptography).
"""

import asyncio
import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from signet.cli import look
from signet.cli.bench_accounts import accounts
from signet.cli.bench_durable import durable
from signet.cli.bench_load import Plan
from signet.cli.bench_measure import LIMITS_OFF, load, machine
from signet.cli.bench_scale import scale
from signet.cli.bench_stream import Transport
from signet.cli.failures import Exit, explained
from signet.cli.options import Json
from signet.cli.server_process import ServerProcess

TRANSPORTS: tuple[Transport, ...] = ("websocket", "grpc")
CONNECTIONS = 1000  # more than a device opens on one transport


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: people, messages a second, seconds a phase, sends in flight."""

    people: int
    rates: Sequence[int]
    seconds: float
    closed: int


WHOLE = Size(people=400, rates=(200, 500), seconds=8, closed=64)
QUICK = Size(people=40, rates=(100,), seconds=1, closed=8)


bench = typer.Typer()
bench.command()(durable)
bench.command()(scale)


@bench.callback(invoke_without_command=True)
def _costs(
    context: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Small and short: does it run?")] = False,
    as_json: Json = False,
) -> None:
    """CPU a message, times to SENT and to arrival, memory a stream: on both transports.

    `signet bench durable`: what is lost when servers are killed. `signet bench scale`: the same
    figures with one, two and three routers.
    """
    if context.invoked_subcommand is not None:
        return
    out = look.console(stderr=as_json)
    with explained(as_json), tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        result = asyncio.run(_bench(Path(folder), QUICK if quick else WHOLE, out.print))
    if as_json:
        print(json.dumps(result))
    else:
        _show(result)
    if any("failed" in transport for transport in result["transports"].values()):
        raise typer.Exit(Exit.FAILED)


async def _bench(folder: Path, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    say("[quiet]how fast is this disk? …[/]")
    result: dict[str, Any] = {"machine": machine(folder), "transports": {}}
    server = ServerProcess(folder / "server", environment={**os.environ, **LIMITS_OFF})
    people = None
    for number, transport in enumerate(TRANSPORTS):
        async with server:
            if people is None:
                say(f"[quiet]{size.people} people register …[/]")
                people = await accounts(server.addresses.grpc, size.people)
            say(f"[quiet]{transport} …[/]")
            plan = Plan(
                transport=transport,
                address=getattr(server.addresses, transport),
                server_pid=server.addresses.pid,
                accounts=people,
                rates=size.rates,
                seconds=size.seconds,
                closed=size.closed,
                counter=number * CONNECTIONS,
            )
            result["transports"][transport] = await load(plan)
    return result


def _show(result: dict[str, Any]) -> None:
    out, of = look.console(), result["machine"]
    out.print(
        f"[quiet]{of['cores']} cores, {of['busy_before']:.0f} % busy before; fsync p50"
        f" {of['fsync_p50_ms']:.2f} ms, p99 {of['fsync_p99_ms']:.2f} ms; bodies of 300 bytes.\n"
        "From send to SENT, and to the other device: p50 and p99 in ms. CPU seconds of server\n"
        "and load for 1,000 messages. How busy the whole machine was.[/]"
    )
    for transport, measured in result["transports"].items():
        out.print(_table(transport, measured["phases"]), soft_wrap=False)
        if idle := measured.get("idle"):
            out.print(
                f"  {idle['streams']} idle streams: [copy]{idle['kib']:.1f} KiB[/] each;"
                f" a reconnect: [copy]{idle['reconnect_cpu_ms']:.2f} ms[/] of the server's CPU\n"
            )
        if "failed" in measured:
            out.print(f"  [bad]failed[/]: {measured['failed']}\n")


COLUMNS = (
    ("load", "[copy]{phase}[/]"),
    ("a second", "{rate:.0f}"),
    ("SENT 50", "{sent_p50:.1f}"),
    ("99", "{sent_p99:.1f}"),
    ("there 50", "{received_p50:.1f}"),
    ("99", "{received_p99:.1f}"),
    ("server", "[copy]{server_cpu:.2f}[/]"),
    ("load", "{load_cpu:.2f}"),
    ("busy", "{busy:.0f} %"),
)


def _table(transport: str, phases: Sequence[dict[str, Any]]) -> Table:
    title = f"[bold]{transport}[/]"
    table = Table(title=title, title_justify="left", box=None, header_style="quiet")
    for head, _ in COLUMNS:
        table.add_column(head, justify="right", no_wrap=True)
    for phase in phases:
        table.add_row(*(cell.format(**phase) for _, cell in COLUMNS))
    return table
