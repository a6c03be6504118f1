"""`signet block PEER`, `signet unblock PEER`, `signet blocked`."""

import asyncio
import json
from pathlib import Path
from typing import Any

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.options import As, Json, Peer, Store
from signet.cli.send import last


def block(peer: Peer, name: As = None, store: Store = None, as_json: Json = False) -> None:
    """Hear nothing more of somebody, on all your devices. They are not told."""
    told = _ask({"do": "block", "to": peer}, name, store, as_json)
    if not as_json:
        look.console().print(f"[peer]{told['user_name']}[/] is blocked; they are not told")


def unblock(peer: Peer, name: As = None, store: Store = None, as_json: Json = False) -> None:
    """Hear of somebody again. What they sent meanwhile is gone."""
    told = _ask({"do": "unblock", "to": peer}, name, store, as_json)
    if not as_json:
        look.console().print(f"[peer]{told['user_name']}[/] is heard again")


def blocked(name: As = None, store: Store = None, as_json: Json = False) -> None:
    """Whom you block."""
    told = _ask({"do": "blocked"}, name, store, as_json)
    if as_json:
        return
    out = look.console()
    for one in told["blocked"]:
        out.print(f"[peer]{one['user_name']}[/]  [quiet]{one['user_id']}[/]")
    if not told["blocked"]:
        out.print("[quiet]nobody[/]")


def _ask(
    what: dict[str, object], name: str | None, store: Path | None, as_json: bool
) -> dict[str, Any]:
    """Have it done; for programs, print the answer."""
    with explained(as_json):
        told = asyncio.run(last(stores.place(name, store), what))
    if as_json:
        print(json.dumps(told))
    return told
