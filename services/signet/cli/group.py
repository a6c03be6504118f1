"""`signet group`: making, changing, joining and listing groups."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from signet.cli import look, stores
from signet.cli.failures import explained
from signet.cli.options import As, Json, Store
from signet.cli.send import last

Named = Annotated[str, typer.Argument(metavar="GROUP", help="Its name, or its id.")]
People = Annotated[list[str], typer.Argument(metavar="PEOPLE", help="User names.")]
Off = Annotated[bool, typer.Option("--off", help="Take it away instead.")]

group = typer.Typer(help="Groups: create, add, remove, leave, rename, admin, link, join, list.")


@group.command()
def create(
    called: Annotated[str, typer.Argument(metavar="NAME", help="What members read.")],
    people: Annotated[list[str] | None, typer.Argument(help="User names.")] = None,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """A group of you and others; its name is encrypted."""
    _do(name, store, as_json, group="create", name=called, people=people or [])


@group.command()
def add(
    called: Named, people: People, name: As = None, store: Store = None, as_json: Json = False
) -> None:
    """Bring people in; they read what is written from then on."""
    _do(name, store, as_json, group="add", name=called, people=people)


@group.command()
def remove(
    called: Named, people: People, name: As = None, store: Store = None, as_json: Json = False
) -> None:
    """Take people out; they get nothing that is written from then on."""
    _do(name, store, as_json, group="remove", name=called, people=people)


@group.command()
def leave(called: Named, name: As = None, store: Store = None, as_json: Json = False) -> None:
    """Go. Where you are the only administrator, who is there longest becomes one."""
    _do(name, store, as_json, group="leave", name=called)


@group.command()
def rename(
    called: Named,
    to: Annotated[str, typer.Argument(metavar="NAME", help="What members read from then on.")],
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Give it another name."""
    _do(name, store, as_json, group="rename", name=called, to=to)


@group.command()
def admin(
    called: Named,
    people: People,
    off: Off = False,
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Make members administrators."""
    _do(name, store, as_json, group="admin", name=called, people=people, off=off)


@group.command()
def link(
    called: Named, off: Off = False, name: As = None, store: Store = None, as_json: Json = False
) -> None:
    """A link by which others join; its secret part is sent to no server."""
    _do(name, store, as_json, group="link", name=called, off=off)


@group.command()
def join(
    url: Annotated[str, typer.Argument(metavar="LINK", help="All of it, quoted.")],
    name: As = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Join by a link."""
    _do(name, store, as_json, group="join", url=url)


@group.command("list")
def list_(name: As = None, store: Store = None, as_json: Json = False) -> None:
    """The groups of this device."""
    _do(name, store, as_json, group="list")


@group.command()
def members(called: Named, name: As = None, store: Store = None, as_json: Json = False) -> None:
    """Who is in it, as the signed chain of its changes says."""
    _do(name, store, as_json, group="members", name=called)


def _do(as_name: str | None, store: Any, as_json: bool, **what: Any) -> None:
    with explained(as_json):
        asked = {"do": "group", **what}
        told: dict[str, Any] = asyncio.run(last(stores.place(as_name, store), asked))
    if as_json:
        print(json.dumps(told))
    elif "groups" in told:
        for one in told["groups"]:
            look.console().print(_line(one))
    else:
        _show(told)


def _show(told: dict[str, Any]) -> None:
    out = look.console()
    out.print(_line(told))
    for member in told["members"]:
        role = " [quiet]administrator[/]" if member["administrator"] else ""
        out.print(f"  [peer]{escape(member['user_name'])}[/]{role}")
    if told.get("url"):
        out.print(f"[copy]{told['url']}[/]")
        out.print("[quiet]whoever has all of this link can join: signet group join LINK[/]")


def _line(one: dict[str, Any]) -> str:
    called = escape(one["name"] or one["group"])
    count = f"{one['count']} member" + ("" if one["count"] == 1 else "s")
    gone = "" if one["member"] else " [warn](you are not in it any more)[/]"
    linked = " [quiet]· has a link[/]" if one["link"] else ""
    return f"[bold cyan]{called}[/] [quiet]{count}[/]{linked}{gone}"
