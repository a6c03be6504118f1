"""`signet admin`: for operators. What a pod is, how it is asked to leave, the stores' tables."""

import asyncio
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from signet import settings as table
from signet.adapters.push_vapid import made_or_read
from signet.cli import look
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import Json
from signet.pod import migrate as stores
from signet.pod.stores import StoreRefused
from signet.pod.tls import PodTls

TIMEOUT = 10.0  # seconds for an answer of the admin port

admin = typer.Typer(
    no_args_is_help=True,
    help="For operators: look at pods, ask them to leave, bring stores' tables up to date.",
)

Url = Annotated[str, typer.Argument(help="Of the pod's admin port: http://HOST:PORT.")]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]


@admin.command()
def status(url: Url, config: Config = None, as_json: Json = False) -> None:
    """What a pod is, what it holds, whom it sees."""
    with explained(as_json):
        _show(_ask("GET", url, "/v1/pod", config), as_json)


@admin.command()
def drain(
    url: Url,
    within: Annotated[
        float | None, typer.Option(help="Seconds; then what is left is closed: leave_s.", min=0)
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Streams or shards a second; 0: what the others accept.", min=0)
    ] = 0.0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask a pod to give away what it holds. It stays, empty, until it is ended."""
    with explained(as_json):
        order = {"rate": rate} | ({} if within is None else {"deadline_s": within})
        _show(_ask("POST", url, "/v1/drain", config, order), as_json)


@admin.command()
def undrain(url: Url, config: Config = None, as_json: Json = False) -> None:
    """Abort a drain that has not ended."""
    with explained(as_json):
        _show(_ask("POST", url, "/v1/undrain", config), as_json)


@admin.command()
def rebalance(url: Url, config: Config = None, as_json: Json = False) -> None:
    """Let a gateway tell its streams once more which of them belong elsewhere."""
    with explained(as_json):
        _show(_ask("POST", url, "/v1/rebalance", config), as_json)


@admin.command()
def migrate(config: Config = None, as_json: Json = False) -> None:
    """Make or bring up to date the tables and topics of all stores of the settings."""
    with explained(as_json):
        try:
            done = asyncio.run(stores.migrate(table.load(config)))
        except StoreRefused as error:
            advice = "is its URL right, and does it run?"
            raise Problem("STORE", str(error), advice, Exit.UNREACHABLE) from None
    if as_json:
        print(json.dumps([one._asdict() for one in done]))
        return
    shown = Table("store", "technology", "what was done", box=None, header_style="quiet")
    for one in done:
        shown.add_row(f"[copy]{one.store}[/]", one.technology, one.what)
    look.console().print(shown)


@admin.command()
def vapid(
    file: Annotated[Path, typer.Argument(help="PEM file; made where there is none.")],
    as_json: Json = False,
) -> None:
    """The key of web push: makes it once, and shows the half that browsers are given."""
    with explained(as_json):
        try:
            public = made_or_read(file)
        except (OSError, ValueError) as error:
            advice = "give the path of a file that is a key of P-256, or of none"
            raise Problem("KEY", f"{file}: {error}", advice, Exit.USAGE) from None
    if as_json:
        print(json.dumps({"vapid_public_key": public}))
    else:
        look.console().print(f"vapid_public_key = [copy]{public}[/]", soft_wrap=True)


def _ask(
    method: str, url: str, path: str, config: Path | None, body: dict[str, float] | None = None
) -> dict[str, Any]:
    """Raises Problem."""
    base = url if "://" in url else f"http://{url}"
    try:
        with httpx.Client(timeout=TIMEOUT, trust_env=False, verify=_tls(base, config)) as client:
            answer = client.request(method, f"{base.rstrip('/')}{path}", json=body)
        told = dict(answer.json())
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
        text = f"no pod answers at {base}: {error or type(error).__name__}"
        raise Problem("UNREACHABLE", text, "is it the admin port?", Exit.UNREACHABLE) from None
    if answer.is_error:
        detail = str(told.get("detail", answer.reason_phrase))
        advice = "signet admin status says what it does"
        raise Problem(str(told.get("error", answer.status_code)), detail, advice, Exit.REFUSED)
    return told


def _tls(url: str, config: Path | None) -> ssl.SSLContext | bool:
    """A pod whose port asks for a certificate is shown that of the settings."""
    tls = PodTls.of(table.load(config)) if url.startswith("https:") else None
    return tls.client() if tls is not None else True


def _show(pod: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(pod))
        return
    out = look.console()
    left = f", {pod['deadline_s']:.0f} s left" if pod["stage"] == "draining" else ""
    why = f" [quiet]({pod['not_ready']})[/]" if pod["not_ready"] else ""
    out.print(f"[bold]{pod['name']}[/] {pod['kind']}: {pod['stage']}{left}{why}")
    out.print(f"  load {pod['load']}, accepts {pod['accepts']:g} a second")
    for name, value in pod["status"].items():
        out.print(f"  {name:<18} {value}", markup=False)
    for name, reach in pod.get("stores", {}).items():
        out.print(f"  {name:<18} {_reach(reach)}", markup=False)
    shown = Table("member", "kind", "state", "load", "accepts", "address", box=None)
    for one in pod["members"]:
        values = (one[key] for key in ("name", "kind", "state", "load", "accepts", "address"))
        shown.add_row(*map(str, values))
    out.print(shown)


def _reach(reach: dict[str, Any]) -> str:
    since = datetime.fromtimestamp(reach["since_ms"] / 1000, UTC).isoformat(" ", "seconds")
    return f"{'answers' if reach['reachable'] else 'does not answer'} since {since}"
