"""`signet invite`."""

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from signet import settings as table
from signet.adapters.open import open_directory
from signet.cli import look
from signet.cli.failures import explained
from signet.cli.options import Json
from signet.data_folder import DataFolder
from signet.keys.admission import invitation_hash


def invite(
    data: Annotated[Path | None, typer.Option(help="Folder of the server's stores.")] = None,
    hours: Annotated[float, typer.Option(help="How long it may be used.", min=0.01)] = 48.0,
    as_json: Json = False,
) -> None:
    """For operators: an invitation, good once, for a server with registration = invitation."""
    with explained(as_json):
        folder = DataFolder(table.load(data=data).data)
        invitation = secrets.token_urlsafe(24)
        asyncio.run(_add(folder, invitation, hours))
    if as_json:
        print(json.dumps({"invitation": invitation, "hours": hours}))
    else:
        look.console().print(f"signet register NAME --invitation [copy]{invitation}[/]")


async def _add(folder: DataFolder, invitation: str, hours: float) -> None:
    """Straight into the directory, which the running server shares."""
    now_ms = int(time.time() * 1000)
    directory = await open_directory(folder.directory_url)
    try:
        hashed = invitation_hash(invitation)
        await directory.add_invitation(hashed, now_ms + int(hours * 3_600_000), now_ms)
    finally:
        await directory.close()
