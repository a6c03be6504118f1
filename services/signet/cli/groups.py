"""Groups, as the program does it that has the store open; `signet group` is in group.py."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from signet.cli.control import Json
from signet.cli.failures import Exit, Problem
from signet.cli.settling import LOOKS_EVERY, PATIENCE, settled
from signet.cli.shown import name
from signet.client import Client, Group, GroupId, ServerUnreachable
from signet.core.errors import SignetError
from signet.core.ids import UserId, show, user_id

Find = Callable[[str], Awaitable[UserId]]


async def find(client: Client, text: str) -> GroupId:
    """By its name, or its id. Raises Problem: there is none, or more than one of that name."""
    groups = await _called(client, text)
    if not groups:  # this program may be so young that it has not heard of it, or of its name
        await _sync(client)
        groups = await _called(client, text, PATIENCE)
    there = [group for group in groups if group.is_member] or groups
    if len(there) == 1:
        return there[0].id
    if not there:
        advice = "signet group list shows those you are in"
        raise Problem("NO_GROUP", f"no group {text!r} here", advice, Exit.USAGE)
    ids = ", ".join(show(group.id) for group in there)
    raise Problem(
        "TWO_GROUPS", f"several groups are called {text!r}", f"say one of {ids}", Exit.USAGE
    )


async def _sync(client: Client) -> None:
    """As far as the server says it now: what is here is here without it."""
    with suppress(ServerUnreachable, SignetError):
        await client.sync_groups()


async def _called(client: Client, text: str, patience: float = 0.0) -> list[Group]:
    """Waits as long as there are groups whose name is still on its way."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        groups = await client.groups()
        found = [one for one in groups if text in (one.name, show(one.id))]
        if found or all(one.name for one in groups) or loop.time() >= until:
            return found
        await asyncio.sleep(LOOKS_EVERY)


async def perform(client: Client, find_person: Find, what: Json) -> Json:
    """Do what `signet group` asks. Raises SignetError, ServerUnreachable, Problem."""
    await _sync(client)
    match what["group"]:
        case "list":
            return {"groups": [_listed(group) for group in await client.groups()]}
        case "create":
            people = [await find_person(one) for one in what["people"]]
            return await _told(client, await client.create_group(what["name"], people))
        case "join":
            return await _told(client, await client.join_group(what["url"]))
    group = await find(client, what["name"])
    return await _change(client, find_person, group, what)


async def _change(client: Client, find_person: Find, group: GroupId, what: Json) -> Json:
    people = [await _person(client, find_person, group, one) for one in what.get("people", [])]
    url = None
    match what["group"]:
        case "add":
            await client.add_members(group, people)
        case "remove":
            await client.remove_members(group, people)
        case "leave":
            await client.leave_group(group)
        case "rename":
            await client.rename_group(group, what["to"])
        case "admin":
            for one in people:
                await client.set_administrator(group, one, not what["off"])
        case "link" if what["off"]:
            await client.disable_group_link(group)
        case "link":
            url = await client.create_group_link(group)
    told = await _told(client, await client.group(group))
    return {**told, "url": url} if url else told


async def _person(client: Client, find_person: Find, group: GroupId, text: str) -> UserId:
    """A member by the id that `members` shows, or anybody by user name."""
    for member in (await client.group(group)).members:
        if text in (show(member.user), await name(client, member.user)):
            return member.user
    try:
        return user_id(text)
    except ValueError:
        return await find_person(text)


def _listed(group: Group) -> Json:
    return {
        "group": show(group.id),
        "name": group.name,
        "count": len(group.members),
        "member": group.is_member,
        "administrator": group.is_administrator,
        "link": group.has_link,
    }


async def _told(client: Client, group: Group) -> Json:
    await settled(client, group.peer)
    members = [
        {
            "user_name": await name(client, member.user),
            "user_id": show(member.user),
            "administrator": member.administrator,
        }
        for member in group.members
    ]
    return {**_listed(group), "members": members}
