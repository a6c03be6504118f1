"""`signet devices`: your devices. `signet link`, on a new one, is in link.py."""

import asyncio
import json
import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.host import asking
from signet.cli.options import As, Store
from signet.cli.options import Json as AsJson
from signet.cli.send import last
from signet.cli.stores import Place

Number = Annotated[int, typer.Argument(help="As `signet devices` lists it.", min=1, max=127)]
Link = Annotated[str, typer.Argument(help="What the new device shows: signet:link/…")]

devices = typer.Typer(help="Your devices: list, link, rename, remove.")


@devices.callback(invoke_without_command=True)
def listed(
    context: typer.Context, name: As = None, store: Store = None, as_json: AsJson = False
) -> None:
    """List them."""
    if context.invoked_subcommand is not None:
        return
    with explained(as_json):
        told = _ask(stores.place(name, store), "list")
    if as_json:
        print(json.dumps(told))
    else:
        _show(told)


@devices.command()
def link(link: Link, name: As = None, store: Store = None, as_json: AsJson = False) -> None:
    """Let a new device into your account; asks for the code that it shows (or reads a line)."""
    with explained(as_json):
        device = asyncio.run(_link(stores.place(name, store), link, as_json))
    if as_json:
        print(json.dumps({"device_id": device}))
    else:
        look.console().print(f"[good]●[/] it is device {device} of your account now")


@devices.command()
def rename(
    device: Number,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Only you see it.")],
    name: As = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Call a device something else."""
    with explained(as_json):
        told = _ask(stores.place(name, store), "rename", device=device, name=to)
    if as_json:
        print(json.dumps(told))
    else:
        _show(told)


@devices.command()
def remove(device: Number, name: As = None, store: Store = None, as_json: AsJson = False) -> None:
    """Remove a device: its streams, its login and what waits for it end at once."""
    with explained(as_json):
        told = _ask(stores.place(name, store), "remove", device=device)
    if as_json:
        print(json.dumps(told))
        return
    out = look.console()
    out.print(f"[good]●[/] device {device} is removed: it gets nothing any more")
    out.print(
        "  [warn]it still knows your identity key[/]: if it is in the wrong hands, change that too:"
    )
    out.print("  [copy]signet identity change[/] [quiet](it removes your other devices)[/]")


def _ask(place: Place, what: str, **more: object) -> dict[str, Any]:
    return asyncio.run(last(place, {"do": "devices", "devices": what, **more}))


async def _link(place: Place, link: str, as_json: bool) -> int:
    """Meet the device, say what is about to happen, and let it in with its code."""
    async with asking(place) as ask:
        met = await ask({"do": "devices", "devices": "meet", "link": link})
        _say(met["device_name"], as_json)
        code = await asyncio.to_thread(_typed)
        told = await ask({"do": "devices", "devices": "let in", "code": code})
        return int(told["device_id"])


def _say(device_name: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"device_name": device_name, "asks": "code"}), flush=True)
        return
    out = look.console()
    who = f" “{escape(device_name)}”" if device_name else ""
    out.print(f"[warn]A new device{who} asks to be let into your account.[/]")
    out.print(
        "  It will read all that is written to you from now on, write as you, and hold your"
        " identity key."
    )
    out.print("  Yours, and in your hand? Then type the code that it shows; else just Enter.")


def _typed() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("code", default="", show_default=False, err=True))
    return sys.stdin.readline().strip()


def _show(told: dict[str, Any]) -> None:
    out = look.console()
    for device in told["devices"]:
        this = " [good](this one)[/]" if device["this"] else ""
        at = device["last_login_at"]
        seen = f"last login {datetime.fromtimestamp(at):%Y-%m-%d %H:%M}" if at else ""
        name = escape(device["name"] or "no name")
        out.print(f"{device['device_id']:>3}  {name}{this}  [quiet]{seen}[/]")
