"""`signet demo-group`: five people, nine devices, one group. Counted, not claimed.

One device is off for the whole talk and catches up; one person is removed and reads nothing more;
a picture goes round. The last line is `demo-group: N sent, …`, like that of `signet demo`, with
what is of groups behind it; the exit code is 1 if anything is wrong.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from signet.cli import look
from signet.cli.failures import Exit, explained
from signet.cli.group_people import Device, Person
from signet.cli.ledger import Count, Ledger
from signet.cli.server_process import ServerProcess
from signet.client import GroupId
from signet.core.ids import UserId

DEVICES = {"alice": 2, "bob": 2, "carol": 2, "dave": 1, "erin": 2}  # nine
OFF = ("erin", 1)  # which of them is off for the whole talk
LEAVES = "dave"
NAME = "Saturday's hike"
TALK = (
    ("alice", 0, "Who comes along on Saturday?"),
    ("bob", 0, "Me!"),
    ("carol", 1, "Me too, from my tablet."),
    ("dave", 0, "I shall have to look."),
    ("alice", 1, "Ten o'clock at the station."),
    ("erin", 0, "I'll bring cake."),
)
AFTER = (
    ("bob", 1, "Dave is not coming, then."),
    ("carol", 0, "What a pity. He need not know about the cake."),
    ("erin", 0, "He cannot: the keys are new."),
    ("alice", 0, "See you on Saturday!"),
)
PICTURE = ("bob", 0, "The way up")
# A picture of one grey pixel: https://www.w3.org/TR/png/
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c6368000000820081775e1ac10000000049454e44ae426082"
)


@dataclass(frozen=True, slots=True)
class Result:
    """What the demo amounts to. `read_by_removed` are messages that the removed one saw later."""

    count: Count
    devices: int
    orders: int  # how many different orders the devices have: 1
    pictures: int  # devices that have the picture, whole
    read_by_removed: int

    @property
    def good(self) -> bool:
        whole = self.count.sent == self.count.shown and self.count.good
        same = self.orders == 1 and self.pictures == self.devices - DEVICES[LEAVES]
        return whole and same and self.read_by_removed == 0

    def __str__(self) -> str:
        return (
            f"{self.count}; {self.devices} devices, {self.orders} order,"
            f" {self.pictures} have the picture, {self.read_by_removed} read by who was removed"
        )


class Demo:
    """The story, in its order."""

    def __init__(self, folder: Path) -> None:
        self._out, self._folder = look.console(), folder
        self._server = ServerProcess(folder / "server")
        self._ledger = Ledger()
        writers: dict[str, str] = {}
        self._people = {
            name: Person(name, folder, self._ledger, writers, devices)
            for name, devices in DEVICES.items()
        }
        self._members = set(DEVICES)
        self._group: GroupId

    def _say(self, text: str) -> None:
        self._out.print(f"[bold]▌[/] {text}")

    async def play(self) -> Result:
        try:
            await self._meet()
            await self._talk(TALK)
            await self._share_a_picture()
            await self._remove()
            await self._talk(AFTER)
            await self._catch_up()
            return await self._result()
        finally:
            for device in self._devices():
                await device.go()
            await self._server.stop()

    def _devices(self) -> list[Device]:
        return [device for person in self._people.values() for device in person.devices]

    def _readers(self) -> list[Device]:
        """Devices of those who are in the group to the end."""
        return [device for device in self._devices() if device.person.name != LEAVES]

    async def _meet(self) -> None:
        addresses = await self._server.start()
        self._say(f"A server starts: one process, pid {addresses.pid}, {addresses.websocket}")
        for person in self._people.values():
            await person.register(addresses.rest)
        self._say(f"Five people register, and link their other devices: {len(self._devices())}.")
        alice = self._people["alice"].devices[0]
        others = [await alice.client.find(name) for name in self._people if name != "alice"]
        group = await alice.client.create_group(NAME, others)
        self._group = group.id
        self._say(f"Alice makes a group, [bold]{escape(NAME)}[/]; the server reads no name.")
        for device in self._devices():
            await device.knows(self._group)
        name, at = OFF
        await self._people[name].devices[at].go()
        self._say("Erin's tablet goes off, for the whole talk.")

    async def _talk(self, lines: tuple[tuple[str, int, str], ...]) -> None:
        for name, at, text in lines:
            device = self._people[name].devices[at]
            await device.write(self._group, text, self._reading(device))
            await asyncio.gather(*(d.sees(text) for d in self._reading(device) if d.is_on))
            self._out.print(f"  [peer]{name:>6}[/] {escape(text)}")

    def _reading(self, writer: Device) -> list[Device]:
        """All devices, off or on, that are to show what this one writes."""
        others = [device for device in self._devices() if device is not writer]
        return [device for device in others if device.person.name in self._members]

    async def _share_a_picture(self) -> None:
        name, at, text = PICTURE
        device = self._people[name].devices[at]
        path = self._folder / "way.png"
        path.write_bytes(PIXEL)
        await device.share(self._group, path, text, self._reading(device))
        await asyncio.gather(*(d.sees(text) for d in self._reading(device) if d.is_on))
        self._out.print(f"  [peer]{name:>6}[/] [copy]▣ way.png[/] {escape(text)}")

    async def _remove(self) -> None:
        dave, alice = self._people[LEAVES], self._people["alice"].devices[0]
        them = UserId(dave.devices[0].client.user_id)
        await alice.client.remove_members(self._group, [them])
        self._members.discard(LEAVES)
        for device in self._devices():
            if device.is_on:
                await device.knows(self._group, without=them)
        self._say("Alice removes Dave: everybody's key for the group is another from here on.")

    async def _catch_up(self) -> None:
        person, at = OFF
        tablet = self._people[person].devices[at]
        await tablet.come_back()
        texts = [text for _, _, text in (*TALK, PICTURE, *AFTER)]
        for text in texts:
            await tablet.sees(text)
        self._say(f"Erin's tablet is back, and has all {len(texts)} messages.")

    async def _result(self) -> Result:
        orders = {tuple(await device.history(self._group)) for device in self._readers()}
        pictures = [await device.has_picture(self._group, PIXEL) for device in self._readers()]
        later = {text for _, _, text in AFTER}
        dave = self._people[LEAVES].devices[0]
        seen = [text for text in await dave.history(self._group) if text in later]
        return Result(
            self._ledger.count(), len(self._devices()), len(orders), sum(pictures), len(seen)
        )


def demo_group() -> None:
    """Five people with nine devices talk in a group; one is removed: counted at the end."""
    began = time.monotonic()
    with explained(), tempfile.TemporaryDirectory(prefix="signet-demo-") as folder:
        result = asyncio.run(Demo(Path(folder)).play())
    look.console().print(f"[quiet]▌ {time.monotonic() - began:.1f} s[/]")
    print(f"demo-group: {result}", flush=True)
    if not result.good:
        raise typer.Exit(Exit.FAILED)
