"""`signet report PEER`."""

import asyncio
import json
from typing import Annotated

import typer

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.options import As, Json, Peer, Store
from signet.cli.send import last
from signet.client import ReportReason


def report(
    peer: Peer,
    reason: Annotated[ReportReason, typer.Option(help="Why.")],
    message: Annotated[
        list[str] | None, typer.Option(help="The id of a message of theirs; again for others.")
    ] = None,
    block: Annotated[bool, typer.Option("--block", help="Block them, too.")] = False,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Tell the server's operator of abuse. Nothing of what was written is shown to anybody."""
    what: dict[str, object] = {
        "do": "report",
        "to": peer,
        "reason": reason.value,
        "messages": message or [],
        "block": block,
    }
    with explained(as_json):
        told = asyncio.run(last(stores.place(name, store), what))
    if as_json:
        print(json.dumps(told))
        return
    also = ", and blocked" if block else ""
    look.console().print(f"[peer]{peer}[/] is reported ({reason.value}){also}")
