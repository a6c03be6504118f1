"""`signet keys [PEER]`."""

import asyncio
import json
from typing import Annotated, Any

import typer

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.options import As, Json, Store
from signet.cli.send import last
from signet.cli.talk import number_rows


def keys(
    peer: Annotated[str | None, typer.Argument(help="Compare with them.")] = None,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Your ids, devices and one-time keys; with PEER, the safety number to compare."""
    with explained(as_json):
        told = asyncio.run(last(stores.place(name, store), {"do": "keys", "peer": peer}))
    if as_json:
        print(json.dumps(told))
    else:
        _show(told)


def _show(told: dict[str, Any]) -> None:
    out = look.console()
    out.print(f"[me]{told['user_name']}[/] [quiet]{told['user_id']}, device {told['device_id']}[/]")
    if "safety_number" in told:
        verified = "[good]verified[/]" if told["verified"] else "[warn]not verified yet[/]"
        out.print(f"safety number with [peer]{told['peer']}[/] ({verified}):")
        for row in number_rows(told["safety_number"]):
            out.print(f"  [copy]{row}[/]")
        out.print("[quiet]The same on their screen? Then nobody stands between you (/verify).[/]")
        return
    stock = told["one_time_keys"]
    out.print(f"one-time keys at the server: {stock['classic']} and {stock['kyber']} (Kyber)")
    for device in told["devices"]:
        out.print(f"device {device['device_id']}  [quiet]{device['name']}[/]")
