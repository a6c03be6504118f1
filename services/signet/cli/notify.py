"""`signet notify`: how this device is woken while it is away."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from signet.cli import look, stores
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import As, Json, Store
from signet.cli.send import last
from signet.ports.push_registrations import ApnsEnvironment

notify = typer.Typer(
    no_args_is_help=True, help="How this device is woken while it is away: register, look, remove."
)


@notify.command()
def show(name: As = None, store: Store = None, as_json: Json = False) -> None:
    """What is registered, and what the server offers."""
    _ask({"notify": "show"}, name, store, as_json)


@notify.command()
def web_push(
    subscription: Annotated[
        Path, typer.Argument(help="File with what a browser's PushSubscription.toJSON() gives.")
    ],
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Wake a browser."""
    with explained(as_json):
        what = {"notify": "web-push", "subscription": _read(subscription)}
    _ask(what, name, store, as_json)


@notify.command()
def apns(
    token: Annotated[str, typer.Argument(help="The device token, in hex.")],
    topic: Annotated[str, typer.Option(help="The app's bundle id.")],
    environment: Annotated[
        ApnsEnvironment, typer.Option(help="By how the app was built.")
    ] = ApnsEnvironment.PRODUCTION,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Wake one of Apple's devices."""
    what = {"notify": "apns", "token": token, "topic": topic}
    _ask({**what, "environment": environment.value}, name, store, as_json)


@notify.command()
def fcm(
    token: Annotated[str, typer.Argument(help="The registration token.")],
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Wake a device by Firebase Cloud Messaging."""
    _ask({"notify": "fcm", "token": token}, name, store, as_json)


@notify.command()
def off(name: As = None, store: Store = None, as_json: Json = False) -> None:
    """Wake this device no more."""
    _ask({"notify": "off"}, name, store, as_json)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        text, advice = f"{file}: {error}", "give a file of JSON"
        raise Problem("SUBSCRIPTION", text, advice, Exit.USAGE) from None


def _ask(what: Mapping[str, object], name: str | None, store: Path | None, as_json: bool) -> None:
    with explained(as_json):
        told: dict[str, Any] = asyncio.run(
            last(stores.place(name, store), {"do": "notify", **what})
        )
    if as_json:
        print(json.dumps(told))
        return
    out = look.console()
    out.print(f"woken by: {told['registered'] or '[quiet]nothing[/]'}")
    out.print(f"[quiet]offered here: {', '.join(told['offered']) or 'nothing'}[/]")
    if told["vapid_public_key"]:
        out.print(f"[quiet]applicationServerKey: {told['vapid_public_key']}[/]", soft_wrap=True)
