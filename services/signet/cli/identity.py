"""`signet identity change`."""

import asyncio
import json
from typing import Annotated

import typer

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.options import As, Json, Store
from signet.cli.send import last

identity = typer.Typer(no_args_is_help=True, help="The key that others know you by.")


@identity.command()
def change(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Take another identity key: for when somebody else may have yours.

    Your other devices are removed. The safety number with everybody changes, and they are told.
    """
    with explained(as_json):
        place = stores.place(name, store)
        if not yes:
            question = "Take another identity key, and remove your other devices?"
            typer.confirm(question, abort=True, err=True)
        told = asyncio.run(last(place, {"do": "change identity"}))
    if as_json:
        print(json.dumps(told))
        return
    out = look.console()
    out.print(f"[me]{told['user_name']}[/] has a new identity key")
    out.print("  [quiet]compare safety numbers again:[/] [copy]signet keys PEER[/]")
