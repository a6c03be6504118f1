"""What `signet devices` asks of the program that has the store open."""

from signet.cli.control import Json
from signet.cli.failures import Exit, Problem
from signet.client import Client, Device
from signet.client.letting_in import DeviceRequest


class DeviceRequests:
    """Of one store. A new device that was met waits here for consent."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: DeviceRequest | None = None

    async def answer(self, what: Json) -> Json:
        """Raises Problem, SignetError, ClientError."""
        client = self._client
        match what["devices"]:
            case "remove":
                await client.remove_device(what["device"])
                return {"removed": what["device"]}
            case "rename":
                await client.rename_device(what["device"], what["name"])
            case "meet":
                self._waiting = await client.read_link(what["link"])
                return {"device_name": self._waiting.device_name}
            case "let in":
                return {"device_id": await self._let_in(what["code"])}
        own = client.device_id
        return {"devices": [device_json(one, own) for one in await client.devices()]}

    async def _let_in(self, typed: str) -> int:
        """With the code that the new device shows; any other refuses it."""
        request, self._waiting = self._waiting, None
        if request is None:
            raise Problem("LINK_OVER", "no device waits to be let in", "show it again", Exit.USAGE)
        if "".join(typed.split()) != request.code:
            await request.refuse()
            raise Problem(
                "WRONG_CODE",
                "this is not the code of the device whose link was read; it was refused",
                "somebody may have swapped the link: show a new one, and look at both screens",
                Exit.REFUSED,
            )
        return await request.approve()


def device_json(device: Device, own: int) -> Json:
    """One device; times are Unix time in seconds, 0 where it is not known."""
    return {
        "device_id": device.id,
        "name": device.name,
        "created_at": device.created_at,
        "last_login_at": device.last_login_at,
        "this": device.id == own,
    }
