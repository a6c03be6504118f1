"""The calls about one's own account: devices, keys, and what others may see."""

from signet.client.account import Audience, Device, KeyStock
from signet.client.calls import Calls
from signet.client.device_store import Tx


class AccountCalls(Calls):
    """Part of `Client`."""

    async def devices(self) -> list[Device]:
        return await self._keys.devices()

    async def remove_device(self, device_id: int) -> None:
        """Its streams close within a second; its inbox is dropped."""
        await self._keys.remove_device(device_id)

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
