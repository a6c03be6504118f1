"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SERVER = "http://127.0.0.1:7402"

Peer = Annotated[str, typer.Argument(help="Their user name.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who you are, if several are here.")
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FOLDER",
        help="Folder of the device store. Default: ~/.local/share/signet/NAME.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]
