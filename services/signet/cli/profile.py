"""`signet profile`: what you show to those whom you write to."""

import asyncio
import base64
import json
import mimetypes
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from signet.cli import look, stores
from signet.cli.control import Json
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import As, Store
from signet.cli.options import Json as AsJson
from signet.cli.send import last


def profile(
    show: Annotated[str | None, typer.Option("--name", help="A name instead of yours.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A small picture, below 63 KiB.", dir_okay=False)
    ] = None,
    name: As = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Show a name and a picture to those whom you write to; without options: what you show.

    The server cannot read it: its key goes along inside your messages.
    """
    with explained(as_json):
        what: Json = {"do": "profile"}
        if show is not None or picture is not None:
            what |= {"name": show, "picture": _read(picture)}
            what["media_type"] = (mimetypes.guess_type(str(picture))[0] or "") if picture else ""
        told = asyncio.run(last(stores.place(name, store), what))
    if as_json:
        print(json.dumps(told))
        return
    picture_size = int(told["picture_bytes"])
    shown = f"[me]{escape(told['name'])}[/]" if told["name"] else "[quiet]no name[/]"
    with_picture = f", and a picture of {picture_size:,} bytes" if picture_size else ""
    look.console().print(f"you show {shown}{with_picture}")


def _read(picture: Path | None) -> str | None:
    if picture is None:
        return None
    try:
        return base64.b64encode(picture.read_bytes()).decode()
    except OSError as error:
        text = f"{picture} cannot be read: {error.strerror}"
        raise Problem("NO_SUCH_FILE", text, "name another file", Exit.USAGE) from None
