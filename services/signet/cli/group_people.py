"""People with several devices, for `signet demo-group`: what each device shows is written down."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from signet.cli.ledger import Ledger
from signet.client import Client, Event, GroupId, MessageReceived, MessageSynced
from signet.core.ids import UserId

PATIENCE = 60.0  # seconds in which what must happen has to happen


class Device:
    """One device. A pair of the ledger is a person who writes, and a device that shows."""

    def __init__(self, person: "Person", number: int, store: Path) -> None:
        self.person, self.name = person, f"{person.name}/{number}"
        self.store, self.is_on = store, False
        self.client: Client
        self._shown: set[str] = set()
        self._news = asyncio.Event()

    async def begin(self, client: Client) -> None:
        self.client, self.is_on = client, True
        self._reading = asyncio.create_task(self._read())
        await client.start()
        await asyncio.wait_for(client.wait_online(), PATIENCE)

    async def come_back(self) -> None:
        await self.begin(await Client.open(store=self.store))

    async def go(self) -> None:
        """Off. Again: no effect."""
        if self.is_on:
            self.is_on = False
            await self.client.stop()
            await self._reading

    async def _read(self) -> None:
        async for event in self.client.events():
            self._see(event)
            if self.is_on:
                await event.done()

    def _see(self, event: Event) -> None:
        if isinstance(event, MessageReceived | MessageSynced):
            text = event.message.text
            self.person.ledger.showed(self.person.writers[text], self.name, text)
            self._shown.add(text)
        self._news.set()

    async def sees(self, text: str) -> None:
        """Wait until it was shown here."""
        async with asyncio.timeout(PATIENCE):
            while text not in self._shown:
                self._news.clear()
                await self._news.wait()

    async def knows(self, group: GroupId, *, without: UserId | None = None) -> None:
        """Wait until this device has the group, and its change by which somebody went."""
        async with asyncio.timeout(PATIENCE):
            while not await self._knows(group, without):
                self._news.clear()
                await self._news.wait()

    async def _knows(self, group: GroupId, without: UserId | None) -> bool:
        found = [one for one in await self.client.groups() if one.id == group]
        return any(without not in {m.user for m in one.members} for one in found)

    async def write(self, group: GroupId, text: str, readers: "Sequence[Device]") -> None:
        self._promise(text, readers)
        message = await self.client.send(UserId(group), text)
        async with asyncio.timeout(PATIENCE):
            await self.client.wait_sent(message.id)
        self._kept(text, readers)

    async def share(
        self, group: GroupId, path: Path, text: str, readers: "Sequence[Device]"
    ) -> None:
        self._promise(text, readers)
        message = await self.client.send_attachment(
            UserId(group), path, media_type="image/png", text=text
        )
        async with asyncio.timeout(PATIENCE):
            await self.client.wait_sent(message.id)
        self._kept(text, readers)

    def _promise(self, text: str, readers: "Sequence[Device]") -> None:
        self.person.writers[text] = self.name
        for reader in readers:
            self.person.ledger.wrote(self.name, reader.name, text)

    def _kept(self, text: str, readers: "Sequence[Device]") -> None:
        for reader in readers:
            self.person.ledger.sent(self.name, reader.name, text)

    async def history(self, group: GroupId) -> list[str]:
        return [message.text for message in await self.client.history(UserId(group))]

    async def has_picture(self, group: GroupId, content: bytes) -> bool:
        """Whether the picture is in the history, and comes whole."""
        for message in await self.client.history(UserId(group)):
            for attachment in message.attachments:
                path = self.store.with_name(f"{self.store.name}-picture")
                await self.client.download(attachment, path)
                return path.read_bytes() == content
        return False


class Person:
    """Somebody with one device or more. `writers` says which device wrote what; all share it."""

    def __init__(
        self, name: str, folder: Path, ledger: Ledger, writers: dict[str, str], devices: int
    ) -> None:
        self.name, self.ledger, self.writers = name, ledger, writers
        self.devices = [
            Device(self, number, folder / name / f"device-{number}.db")
            for number in range(1, devices + 1)
        ]

    async def register(self, server: str) -> None:
        """Register the first device, and let the others in by its consent."""
        first, *others = self.devices
        await first.begin(
            await Client.register(server=server, store=first.store, user_name=self.name)
        )
        for device in others:
            await self._link(server, first, device)

    async def _link(self, server: str, old: Device, new: Device) -> None:
        async with await Client.link(
            server=server, store=new.store, device_name=new.name
        ) as linking:
            code = asyncio.create_task(linking.code())
            request = await old.client.read_link(linking.link)
            if request.code != await code:
                raise RuntimeError("somebody stands between two devices of one person")
            made = asyncio.create_task(linking.client())
            await request.approve()
            await new.begin(await made)
