"""`signet send PEER TEXT`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from signet.cli import look, stores
from signet.cli.failures import Exit, Problem, explained
from signet.cli.host import HAS_TIME, request
from signet.cli.options import As, Json, Peer, Store
from signet.client import Status

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())


def send(
    peer: Peer,
    text: Annotated[str, typer.Argument(help="What to say; may be left out with a file.")] = "",
    name: As = None,
    store: Store = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A file to send.", exists=True, dir_okay=False),
    ] = None,
    group: Annotated[bool, typer.Option("--group", help="To a group of that name.")] = False,
    delivered: Annotated[bool, typer.Option(help="Wait until a device of theirs has it.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the tick.")] = HAS_TIME,
    as_json: Json = False,
) -> None:
    """Send one message; done when the server has it durably (exit code 4: kept for later)."""
    what = {"do": "send", "to": peer, "text": text, "wait": wait, "delivered": delivered}
    what["to_group"] = group
    with explained(as_json):
        if file is not None:
            what["file"] = str(file.absolute())
        elif not text:
            raise Problem("NOTHING_TO_SAY", "no text, and no file", "add one", Exit.USAGE)
        told = asyncio.run(last(stores.place(name, store), what, file.name if file else ""))
    status = Status[told["status"].upper()]
    if as_json:
        print(json.dumps(told))
    else:
        look.console().print(f"{look.tick(status)} {look.WORDS[status]}")
    if status < (Status.DELIVERED if delivered else Status.SENT):
        raise typer.Exit(Exit.UNREACHABLE)


async def last(place: stores.Place, what: dict[str, object], file: str = "") -> dict[str, str]:
    """The last answer; those before it, of a file, as a bar on a terminal."""
    told: dict[str, str] = {}
    with Bar(*_COLUMNS, console=look.console(stderr=True), transient=True) as bar:
        task = bar.add_task(file, total=None, visible=False)
        async for answer in request(place, what):
            if "total" in answer:
                done, total = answer["done"], answer["total"]
                bar.update(task, completed=done, total=total, visible=True)
            else:
                told = answer
    return told
