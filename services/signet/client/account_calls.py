"""The calls about one's own account: devices, keys, and what others may see."""

from signet.client import letting_in
from signet.client.account import Audience, Device, KeyStock
from signet.client.calls import Calls
from signet.client.device_store import Tx
from signet.client.letting_in import DeviceRequest, Host


class AccountCalls(Calls):
    """Part of `Client`."""

    async def devices(self) -> list[Device]:
        return await self._keys.devices()

    async def read_link(self, link: str) -> DeviceRequest:
        """Meet the new device that shows this link; `approve` the request, or `refuse` it.

        Raises:
            NotALink, LinkOver: as their names say.
            SignetError: DEVICE_LIMIT (six devices), RATE_LIMITED, …; ServerUnreachable.
        """
        added = self._engine.upkeep.device_added
        host = Host(self._store, self._me, self._keys, self._rest, added)
        return await letting_in.read_link(host, link)

    async def rename_device(self, device_id: int, name: str) -> None:
        """Only this account sees it. Raises NotFound, InvalidArgument."""
        await self._keys.rename_device(device_id, name)

    async def remove_device(self, device_id: int) -> None:
        """Its streams, its tokens and its inbox end at once.

        It still knows the identity key: who may have it in the wrong hands changes that, too.

        Raises NotFound.
        """
        await self._keys.remove_device(device_id)
        if device_id != self._me.account.device:
            await self._engine.upkeep.check_devices()

    async def refresh_keys(self) -> KeyStock:
        """Refill and rotate pre-keys where it is due; what the server then has."""
        return await self._engine.upkeep.refresh_keys()

    async def set_registration_lock(self, pin: str) -> None:
        """Ask for a PIN from whoever takes the account over, besides its recovery key; '' for none.

        Who forgets it cannot take the account over: nobody can read it, here or at the server.

        Raises:
            SignetError: INVALID_ARGUMENT; a PIN has 4 to 64 printable ASCII characters.
        """
        await self._keys.update({"registration_lock": pin})

    async def has_registration_lock(self) -> bool:
        """Whether a take-over is asked for a PIN."""
        return bool((await self._keys.account())["registration_lock"])

    async def set_privacy(
        self,
        *,
        read_receipts: bool | None = None,
        typing: bool | None = None,
        presence: Audience | None = None,
        findable: bool | None = None,
    ) -> None:
        """Absent: left as it is. All are reciprocal: who hides something does not see it either."""
        changes: dict[str, object] = {}
        if presence is not None:
            changes["presence"] = presence.name.lower()
        if findable is not None:
            changes["findable"] = findable
        if changes:
            await self._keys.update(changes)
        switches = {"read_receipts": read_receipts, "typing": typing}

        def write(tx: Tx) -> None:
            for name, value in switches.items():
                if value is not None:
                    tx.settings.put_number(name, int(value))

        await self._store.run(write)
