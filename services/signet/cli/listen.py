"""`signet listen`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.host import request
from signet.cli.options import As, Json, Store
from signet.cli.stores import Place

QUIET = {"connection", "typing", "presence", "sent", "delivered", "read"}


def listen(
    name: As = None,
    store: Store = None,
    count: Annotated[int, typer.Option(help="End after so many messages; 0: never.")] = 0,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Keep files that come in this folder.", file_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what arrives, as it arrives."""
    with explained(as_json):
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
        what = {"do": "listen", "save": str(save.absolute()) if save else ""}
        asyncio.run(_listen(stores.place(name, store), what, count, as_json))


async def _listen(place: Place, what: dict[str, str], count: int, as_json: bool) -> None:
    out = look.console()
    async for event in request(place, what):
        if as_json:
            print(json.dumps(event), flush=True)
        elif event["event"] not in QUIET:
            out.print(_line(event))
        if event["event"] == "message":
            count -= 1
            if count == 0:
                return


def _line(event: dict[str, Any]) -> str:
    who = escape(str(event.get("from") or event.get("who") or ""))
    if event["event"] == "message":
        time = look.clock(event["received_ms"])
        return f"[quiet]{time}[/] [peer]{who}[/]  {_files(event)}{escape(event['text'])}"
    return f"[quiet]{event['event'].replace('_', ' ')}[/] [peer]{who}[/]"


def _files(event: dict[str, Any]) -> str:
    """What came with a message, and where it was kept."""
    named = [(one["name"] or one["media_type"] or "a file", one["size"]) for one in event["files"]]
    shown = "".join(f"[copy]▣ {escape(name)}, {look.size(size)}[/] " for name, size in named)
    kept = "".join(f"[good]→ {escape(path)}[/] " for path in event.get("saved", ()))
    lost = "".join(f"[bad]{name}[/] " for name in event.get("not_saved", ()))
    return shown + kept + lost
