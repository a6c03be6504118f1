"""A conversation as the command line shows it, on a small server in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signet.cli.host import Host, perform
from signet.cli.stores import Place
from signet.cli.talk import News, Quit, Talk, Told
from signet.client import Client, Environment, Kind, Message, Status
from tests.support.small_server import SmallServer


@dataclass
class Seen:
    """A talk with what it told, and a way to wait for it."""

    talk: Talk
    news: list[News] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.talk.on_news = self._on_news
        self.talk.on_status = self._changed.set

    def _on_news(self, news: News) -> None:
        self.news.append(news)
        self._changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.talk.messages.values()]

    @property
    def told(self) -> list[str]:
        return [news.text for news in self.news if isinstance(news, Told)]

    async def sees(self, text: str) -> Message:
        await self.until(lambda: text in self.texts)
        return next(m for m in self.talk.messages.values() if m.text == text)

    async def ticked(self, text: str, status: Status) -> None:
        await self.until(
            lambda: any(m.text == text and m.status is status for m in self.talk.messages.values())
        )


async def registered(name: str, folder: Path, environment: Environment) -> Host:
    place = Place(folder / name)
    client = await Client.register(
        server="http://small.test", store=place.file, user_name=name, environment=environment
    )
    return Host(client, place)


@asynccontextmanager
async def talking(host: Host, peer: str) -> AsyncIterator[Seen]:
    talk = Talk(host, await host.find(peer), peer)
    seen = Seen(talk)
    await talk.begin()
    following = asyncio.create_task(talk.follow())
    yield seen
    following.cancel()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Seen, Seen]]:
    server = SmallServer()
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
    alice = await registered("alice", tmp_path, environment)
    bob = await registered("bob", tmp_path, environment)
    async with alice, bob, talking(alice, "bob") as a, talking(bob, "alice") as b:
        yield a, b


async def test_what_is_typed_is_shown_there_and_gets_its_ticks_here(
    pair: tuple[Seen, Seen],
) -> None:
    alice, bob = pair
    await alice.talk.type("hello")
    await bob.sees("hello")
    await alice.ticked("hello", Status.READ)


async def test_replies_reactions_edits_and_deletions_reach_the_other(
    pair: tuple[Seen, Seen],
) -> None:
    alice, bob = pair
    await alice.talk.type("first")
    await bob.sees("first")
    await bob.talk.type("/reply the answer")
    answer = await alice.sees("the answer")
    assert answer.quote == "first"
    await alice.talk.type("/react 👍")
    await bob.until(lambda: bool(bob.talk.messages[answer.id].reactions))
    await alice.talk.type("/edit changed")
    await bob.sees("changed")
    await alice.talk.type("/delete")
    await bob.until(lambda: any(m.kind is Kind.DELETED for m in bob.talk.messages.values()))


async def test_both_see_the_same_safety_number(pair: tuple[Seen, Seen]) -> None:
    alice, bob = pair
    await alice.talk.type("hello")
    await bob.sees("hello")
    await alice.talk.type("/safety")
    await bob.talk.type("/safety")
    assert alice.told[-3:] == bob.told[-3:]
    assert len("".join(alice.told[-3:]).replace(" ", "")) == 60


async def test_a_wrong_command_is_told_and_quit_leaves(pair: tuple[Seen, Seen]) -> None:
    alice, _ = pair
    await alice.talk.type("/dance")
    await alice.talk.type("/edit x")
    assert alice.told == [
        "/dance is none of the commands; /help lists them",
        "you have not written anything",
    ]
    with pytest.raises(Quit):
        await alice.talk.type("/quit")


async def test_typing_is_seen_while_it_lasts(pair: tuple[Seen, Seen]) -> None:
    alice, bob = pair
    await alice.talk.type("hello")
    await bob.sees("hello")
    await bob.talk.type("hello yourself")
    await alice.sees("hello yourself")
    await alice.until(lambda: alice.talk.online)
    await alice.talk.now_typing()
    await bob.until(lambda: bob.talk.typing)
    await alice.talk.type("there")
    await bob.sees("there")
    assert not bob.talk.typing


async def test_another_command_sends_through_the_chat_that_has_the_store(
    pair: tuple[Seen, Seen],
) -> None:
    alice, bob = pair
    told = [one async for one in perform(alice.talk.host, {"do": "send", "to": "bob", "text": "x"})]
    assert told[0]["status"] in {"sent", "delivered", "read"}
    await bob.sees("x")
