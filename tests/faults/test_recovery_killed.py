"""The server dies right after a take-over was stored: the peers are told when it is back (K6)."""

from pathlib import Path
from urllib.parse import urlsplit

from signet import testing
from signet.adapters.directory_sql import open_directory
from signet.client import IdentityChanged
from signet.core.ids import UserId
from signet.ports.directory import Admission, NewDevice, Replacement
from signet.testing import Server
from tests.support.identities import NewPerson
from tests.support.people import running


async def talked(server: Server) -> UserId:
    """Alice and bob have written to each other. Whose id is alice's?"""
    async with (
        running(await server.register("alice")) as alice,
        running(await server.register("bob")) as bob,
    ):
        await alice.client.send(bob.client.user_id, "hello")
        assert await bob.reads(1) == ["hello"]
        await bob.client.send(alice.client.user_id, "hi")
        assert await alice.reads(1) == ["hi"]
        return alice.client.user_id


async def take_over(url: str, user: UserId) -> None:
    """All that is left of a take-over when the process was killed after its commit."""
    person, directory = NewPerson(), await open_directory(url)
    account = await directory.account(user)
    assert account is not None
    device = NewDevice(person.registration_id, person.login_public, "", person.upload(), 0)
    replacement = Replacement(
        account.generation, person.identity.public, b"hash", device, Admission(0)
    )
    await directory.replace_account(user, replacement)
    await directory.close()


async def test_peers_are_told_after_a_kill_between_commit_and_telling(tmp_path: Path) -> None:
    async with testing.server(tmp_path) as server:
        alice_id = await talked(server)
        url = server.standalone._folder.directory_url
        port = urlsplit(server.addresses.rest).port
    await take_over(url, alice_id)
    async with testing.server(tmp_path, rest_port=port) as server:
        async with running(await server.open("bob")) as bob:
            (changed,) = await bob.hears(IdentityChanged)
        assert changed.peer == alice_id
    directory = await open_directory(url)
    assert list(await directory.untold()) == []
    await directory.close()
