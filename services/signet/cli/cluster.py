"""`signet cluster`: many processes on this machine, as a cluster's pods."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from signet import settings as table
from signet.cli import look
from signet.cli.cluster_table import happenings, how_to_chat
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import Json
from signet.cluster.child import DidNotStart
from signet.cluster.cluster import Cluster, NotReady
from signet.data_folder import FolderInUse
from signet.pod.stores import StoreRefused
from signet.ports.members import Kind
from signet.settings import STORES, Settings

EVERY = 1.0  # seconds between two looks, for lines
# What processes have to share, so what must be named when they are not to share files.
SHARED = ("inbox", "directory", "members", "presence", "events")

Count = Annotated[int, typer.Option(min=0, max=64, metavar="N")]
Url = Annotated[str | None, typer.Option(metavar="URL", show_default=False)]

cluster = typer.Typer(no_args_is_help=True)


class Kept(StrEnum):
    """Where a local cluster keeps what it knows."""

    EMBEDDED = "embedded"
    REAL = "real"


@cluster.callback()
def _cluster() -> None:
    """Many processes on this machine, as a cluster's pods are."""


@cluster.command()
def up(
    gateways: Count = 2,
    routers: Count = 2,
    keys: Count = 1,
    push: Count = 1,
    stores: Annotated[
        Kept, typer.Option(help="SQLite files that all share, or the servers that are named.")
    ] = Kept.EMBEDDED,
    data: Annotated[Path | None, typer.Option(help="Folder that the processes share.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    inbox: Url = None,
    directory: Url = None,
    members: Url = None,
    presence: Url = None,
    limits: Url = None,
    events: Url = None,
    blobs: Url = None,
    as_json: Json = False,
) -> None:
    """Start gateways, routers, keys and push; watch them, and break them by a key.

    On a terminal: a live table. --json: one object with all addresses as soon as all are ready.
    """
    with explained(as_json):
        given = {
            "inbox": inbox,
            "directory": directory,
            "members": members,
            "presence": presence,
            "limits": limits,
            "events": events,
            "blobs": blobs,
        }
        named = {store: url for store, url in given.items() if url}
        settings = table.load(config, **named)
        counts = {Kind.GATEWAY: gateways, Kind.ROUTER: routers, Kind.KEYS: keys, Kind.PUSH: push}
        made = Cluster(
            data or table.data_home() / "signet-cluster",
            counts,
            stores=stores_of(stores, settings, named),
            settings=environment_of(settings),
        )
        asyncio.run(_run(made, as_json))


def stores_of(kept: Kept, settings: Settings, named: Mapping[str, str]) -> dict[str, str]:
    """URLs by setting. Embedded: only what flags name, whatever the environment says."""
    if kept is Kept.EMBEDDED:
        return {**dict.fromkeys(STORES, ""), **named}
    urls = {store: str(getattr(settings, store)) for store in STORES}
    if missing := [store for store in SHARED if not urls[store]]:
        text = f"--stores real: no URL is given for {', '.join(missing)}"
        advice = f"name each, as in --{missing[0]} URL, or in the file of --config"
        raise Problem("SETTINGS", text, advice, Exit.USAGE)
    return urls


def environment_of(settings: Settings) -> dict[str, str]:
    """Settings of the file, as the environment of each process, which inherits this one's."""
    given = {
        f"{table.PREFIX}{name.upper()}": str(getattr(settings, name))
        for name in settings.model_fields_set
    }
    inherited = {variable.removesuffix("_FILE") for variable in os.environ}
    return {variable: value for variable, value in given.items() if variable not in inherited}


async def _run(made: Cluster, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    out = look.console(stderr=as_json)
    out.print(f"[quiet]starting {made.size} processes …[/]")
    if await _unless(stop, _start(made)):
        try:
            await _show(made, stop, as_json)
        finally:
            out.print("[quiet]stopping all …[/]")
            await made.close()


async def _unless(stop: asyncio.Event, work: Any) -> bool:
    """Do it, unless it is stopped before; whether it was done."""
    doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    await asyncio.wait({doing})
    return False


async def _start(made: Cluster) -> None:
    """Raises: Problem."""
    try:
        await made.start()
    except FolderInUse as error:
        text = f"process {error.pid} already runs a cluster on {made.data}"
        advice = f"use that one, stop it (kill {error.pid}), or give another --data"
        raise Problem("DATA_IN_USE", text, advice, Exit.STORE) from None
    except DidNotStart as error:
        text = f"{error.name}: {error.last_words}"
        raise Problem("DID_NOT_START", text, f"see {error.log}", Exit.FAILED) from None
    except StoreRefused as error:
        advice = "is its URL right, and does it run?"
        raise Problem("STORE", str(error), advice, Exit.UNREACHABLE) from None
    except NotReady as error:
        raise Problem("NOT_READY", str(error), f"see {made.logs}", Exit.FAILED) from None


async def _show(made: Cluster, stop: asyncio.Event, as_json: bool) -> None:
    if as_json:
        print(json.dumps(await described(made)), flush=True)
        await stop.wait()
    elif look.is_terminal():
        from signet.cli.cluster_screen import ClusterScreen  # noqa: PLC0415 - textual is slow

        screen = ClusterScreen(made)
        ending = asyncio.create_task(stop.wait())
        ending.add_done_callback(lambda _: screen.exit())
        await screen.run_async()
        ending.cancel()
    else:
        await _lines(made, stop)


async def described(made: Cluster) -> dict[str, Any]:
    """For programs: where clients enter, and each process."""
    return {
        **asdict(made.entries),
        "data": str(made.data),
        "logs": str(made.logs),
        "pid": os.getpid(),
        "pods": [
            {"kind": pod.kind, "name": pod.name, **pod.addresses} for pod in await made.pods()
        ],
    }


async def _lines(made: Cluster, stop: asyncio.Event) -> None:
    """One line for each thing that happens."""
    out = look.console()
    seen = await made.pods()
    for pod in seen:
        where = pod.addresses.get("websocket") or pod.addresses.get("rest") or ""
        out.print(f"{pod.name}: pid {pod.pid}, {where or pod.addresses['admin']}")
    for line in how_to_chat(made.entries):
        out.print(f"  [me]{line}[/]")
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY)
        before, seen = seen, await made.pods()
        for line in happenings(before, seen):
            out.print(escape(line))
