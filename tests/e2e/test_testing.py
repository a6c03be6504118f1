"""signet.testing, as somebody else's test would use it."""

from pathlib import Path

from signet import testing
from signet.client import Status


async def test_a_server_for_a_test_of_somebody_else() -> None:
    async with testing.server() as signet:
        alice = await signet.register("alice")
        bob = await signet.register("bob", transport="grpc")
        async with alice, bob:
            message = await alice.send(bob.user_id, "hello")
            await alice.wait_status(message.id, Status.DELIVERED)


async def test_a_folder_of_ones_own_keeps_people_and_messages(tmp_path: Path) -> None:
    async with testing.server(tmp_path) as signet:
        alice, bob = await signet.register("alice"), await signet.register("bob")
        await bob.stop()
        async with alice:
            await alice.wait_sent((await alice.send(bob.user_id, "hello")).id)
        rest = int(signet.addresses.rest.rsplit(":", 1)[1])
    async with testing.server(tmp_path, rest_port=rest) as signet, await signet.open("bob") as bob:
        async for event in bob.events():
            if type(event).__name__ == "MessageReceived":
                break
        assert [m.text for m in await bob.history(alice.user_id)] == ["hello"]
