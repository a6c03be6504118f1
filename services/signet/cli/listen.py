"""`signet listen`."""

import asyncio
import json
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
    as_json: Json = False,
) -> None:
    """Print what arrives, as it arrives."""
    with explained(as_json):
        asyncio.run(_listen(stores.place(name, store), count, as_json))


async def _listen(place: Place, count: int, as_json: bool) -> None:
    out = look.console()
    async for event in request(place, {"do": "listen"}):
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
        return f"[quiet]{time}[/] [peer]{who}[/]  {escape(event['text'])}"
    return f"[quiet]{event['event'].replace('_', ' ')}[/] [peer]{who}[/]"
