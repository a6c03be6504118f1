"""`signet run`."""

import asyncio
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from signet import settings as table
from signet.cli import look
from signet.cli.failures import Exit, Problem, explained
from signet.core.limits import STOP_TIME
from signet.data_folder import FolderInUse
from signet.pod.ending import end_within
from signet.pod.stores import StoreRefused
from signet.ports.inbox import OtherShards, StoreUnavailable
from signet.settings import Settings
from signet.standalone import Addresses, PortTaken, Standalone
from signet.telemetry import logs

Port = Annotated[int | None, typer.Option(metavar="PORT", show_default=False)]


def run(
    data: Annotated[Path | None, typer.Option(help="Folder of the stores.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on: 127.0.0.1.")] = None,
    websocket_port: Port = None,
    grpc_port: Port = None,
    rest_port: Port = None,
    admin_port: Port = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say where it listens as one JSON object.")
    ] = False,
) -> None:
    """Start everything in one process. All settings: signet settings."""
    with explained(as_json):
        settings = table.load(
            config,
            data=data,
            host=host,
            websocket_port=websocket_port,
            grpc_port=grpc_port,
            rest_port=rest_port,
            admin_port=admin_port,
        )
        logs.configure(settings.log_format, settings.log_level)
        uvloop.run(serve(Standalone(settings), settings, as_json))


async def serve(server: Standalone, settings: Settings, as_json: bool) -> None:
    """Until SIGTERM, SIGINT or the server's own end; then drain shortly. Again: at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled() -> None:
        end_within(settings.drain_s + STOP_TIME)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    await start(server)
    if as_json:
        print(json.dumps(asdict(server.addresses)), flush=True)
    else:
        _say(server.addresses, settings)
    ended = asyncio.create_task(server.ended.wait())
    await asyncio.wait({asyncio.create_task(stop.wait()), ended}, return_when="FIRST_COMPLETED")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    if not as_json:
        look.console().print(f"[quiet]stopping, within {settings.drain_s:g} s …[/]")
    await server.stop()
    if server.ended.is_set():
        text = "another server took the inboxes, or this one was stopped for too long"
        raise Problem("LOST", text, "start it again; nothing is lost", Exit.FAILED)


async def start(server: Standalone) -> None:
    """Start, or say in a person's words why not. Raises Problem."""
    try:
        await server.start()
    except FolderInUse as error:
        text = f"process {error.pid} already runs a server on {error.path}"
        advice = f"use that one, stop it (kill {error.pid}), or give another --data"
        raise Problem("DATA_IN_USE", text, advice, Exit.STORE) from None
    except PortTaken as error:
        flag = f"--{error.setting.replace('_', '-')}"
        text = f"port {error.port} ({error.setting}) is taken by another program"
        advice = f"signet run {flag} 0 takes a free one; or set SIGNET_{error.setting.upper()}"
        raise Problem("PORT_TAKEN", text, advice, Exit.USAGE) from None
    except OtherShards as error:
        advice = "they stay in that number for good: set SIGNET_SHARDS to it"
        raise Problem("SHARDS", str(error), advice, Exit.USAGE) from None
    except StoreRefused as error:
        advice = "docs/push.md says what it may be"
        raise Problem("PUSH", str(error), advice, Exit.USAGE) from None
    except StoreUnavailable as error:
        advice = "does another program have it open, or is the disk full? then start again"
        raise Problem("STORE_UNAVAILABLE", str(error), advice, Exit.STORE) from None


def _say(at: Addresses, settings: Settings) -> None:
    out = look.console()
    other = "" if at.rest == "http://127.0.0.1:7402" else f" --server {at.rest}"
    signet = "signet" if os.environ.get("VIRTUAL_ENV") else _program()
    out.print(f"\n[good]●[/] [bold]Signet runs[/] [quiet](pid {os.getpid()}, Ctrl-C stops it)[/]\n")
    for what, where, why in (
        ("WebSocket", at.websocket, "clients"),
        ("gRPC", at.grpc, "clients and keys; reflection is on"),
        ("REST", at.rest, f"accounts and keys; {at.rest}/docs"),
        ("admin", at.admin, "/metrics /healthz /readyz"),
        ("data", str(settings.data), "everything that must survive; delete it to start anew"),
    ):
        out.print(f"  {what:<10} [copy]{where:<38}[/] [quiet]{why}[/]")
    out.print("\n  Two people chat: in a second and a third terminal\n")
    for me, them in (("alice", "bob"), ("bob", "alice")):
        register = f"{signet} register {me}{other}"
        out.print(f"  [me]{register}[/]\n  [me]{signet} chat {them} --as {me}[/]\n")


def _program() -> str:
    """How a person in this folder would call the program that runs."""
    here = Path(".venv/bin/signet")
    return str(here) if here.exists() else "signet"
