"""What `signet notify` asks of the program that has the store open."""

from signet.cli.control import Json
from signet.cli.failures import Exit, Problem
from signet.client import Apns, Client, Fcm, PushState, web_push
from signet.ports.push_registrations import ApnsEnvironment, Registration


async def answer(client: Client, what: Json) -> Json:
    """Raises Problem, SignetError, ServerUnreachable."""
    match what["notify"]:
        case "show":
            return _json(await client.push_state())
        case "off":
            return _json(await client.remove_push())
    return _json(await client.register_push(_registration(what)))


def _registration(what: Json) -> Registration:
    match what["notify"]:
        case "web-push":
            try:
                return web_push(what["subscription"])
            except ValueError as error:
                advice = "give what PushSubscription.toJSON() gives, in a file"
                raise Problem("SUBSCRIPTION", str(error), advice, Exit.USAGE) from None
        case "apns":
            return Apns(what["token"], what["topic"], ApnsEnvironment(what["environment"]))
        case _:
            return Fcm(what["token"])


def _json(state: PushState) -> Json:
    return {
        "registered": state.registered,
        "offered": list(state.offered),
        "vapid_public_key": state.vapid_public_key,
    }
