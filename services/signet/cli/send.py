"""`signet send PEER TEXT`."""

import asyncio
import json
from typing import Annotated

import typer

from signet.cli import look, stores
from signet.cli.failures import Exit, explained
from signet.cli.host import HAS_TIME, request
from signet.cli.options import As, Json, Peer, Store
from signet.client import Status


def send(
    peer: Peer,
    text: Annotated[str, typer.Argument(help="What to say.")],
    name: As = None,
    store: Store = None,
    delivered: Annotated[bool, typer.Option(help="Wait until a device of theirs has it.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the tick.")] = HAS_TIME,
    as_json: Json = False,
) -> None:
    """Send one message; done when the server has it durably (exit code 4: kept for later)."""
    what = {"do": "send", "to": peer, "text": text, "wait": wait, "delivered": delivered}
    with explained(as_json):
        told = asyncio.run(last(stores.place(name, store), what))
    status = Status[told["status"].upper()]
    if as_json:
        print(json.dumps(told))
    else:
        look.console().print(f"{look.tick(status)} {look.WORDS[status]}")
    if status < (Status.DELIVERED if delivered else Status.SENT):
        raise typer.Exit(Exit.UNREACHABLE)


async def last(place: stores.Place, what: dict[str, object]) -> dict[str, str]:
    told: dict[str, str] = {}
    async for answer in request(place, what):
        told = answer
    return told
