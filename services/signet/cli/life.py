"""Blocking, reports and the account's life, as the program does them that has the store open."""

from collections.abc import Awaitable, Callable

from signet.cli.control import Json
from signet.cli.shown import name
from signet.client import Client, ReportReason
from signet.core.ids import MessageId, UserId, show, user_id

Find = Callable[[str], Awaitable[UserId]]
DOES = {"block", "unblock", "blocked", "report", "export", "delete account", "change identity"}


async def perform(client: Client, find: Find, what: Json) -> Json:
    """Do one of DOES; `find` is for the user names in it. Raises SignetError, ServerUnreachable."""
    match what["do"]:
        case "block" | "unblock" as done:
            to = await find(what["to"])
            await (client.block if done == "block" else client.unblock)(to)
            return {"user_name": what["to"], "user_id": show(to), "blocked": done == "block"}
        case "blocked":
            listed = await client.blocked()
            people = [{"user_name": await name(client, u), "user_id": show(u)} for u in listed]
            return {"blocked": people}
        case "report":
            return await _report(client, find, what)
        case "export":
            return await client.export_account()
        case "delete account":
            await client.delete_account()
        case "change identity":
            await client.change_identity()
    return {"user_name": client.user_name, "user_id": show(client.user_id)}


async def _report(client: Client, find: Find, what: Json) -> Json:
    to, ids = await find(what["to"]), [MessageId(user_id(one)) for one in what["messages"]]
    await client.report(to, ReportReason(what["reason"]), ids)
    if what.get("block"):
        await client.block(to)
    return {"user_name": what["to"], "reason": what["reason"], "blocked": bool(what.get("block"))}
