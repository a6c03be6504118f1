"""`signet account delete`, `signet account export`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from signet.cli import look, stores
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import As, Json, Store
from signet.cli.send import last

account = typer.Typer(no_args_is_help=True, help="Your account at the server.")


@account.command()
def delete(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store_too: Annotated[
        bool, typer.Option("--store-too", help="Remove the device store, with all messages.")
    ] = False,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Have the server forget you: name, keys, what waits for you. There is no way back."""
    with explained(as_json):
        place = stores.place(name, store)
        if not yes:
            typer.confirm("Delete the account at the server, for good?", abort=True, err=True)
        told = asyncio.run(last(place, {"do": "delete account"}))
        if store_too:
            place.forget()
    if as_json:
        print(json.dumps(told))
        return
    out = look.console()
    out.print(f"[me]{told['user_name']}[/] is deleted at the server")
    if not store_too:
        out.print(f"  [quiet]your messages are still in {place.folder}[/]")


@account.command()
def export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it; without: to the screen.")
    ] = None,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """All that the server holds on you, as JSON."""
    with explained(as_json):
        if file is not None and file.exists():
            raise Problem("FILE_EXISTS", f"{file} is there", "choose another name", Exit.USAGE)
        told = asyncio.run(last(stores.place(name, store), {"do": "export"}))
        text = json.dumps(told, indent=1, ensure_ascii=False)
        if file is not None:
            file.touch(mode=0o600)
            file.write_text(text + "\n")
    if file is None:
        print(text)
    elif not as_json:
        look.console().print(f"written to {file}")
