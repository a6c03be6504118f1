"""A server that asks for work before it registers anybody."""

from pathlib import Path

import pytest

from signet import testing
from signet.client import Client, Environment
from signet.client import account as accounts
from signet.client.account import Registration
from signet.client.device_store import DeviceStore
from signet.client.entrance import Entrance
from signet.client.errors import RegistrationRefused
from signet.client.rest import Rest
from signet.keys.admission import work_done

BITS = 12


async def test_a_client_does_the_work_that_its_server_asks_for(tmp_path: Path) -> None:
    async with testing.server(tmp_path, proof_of_work_bits=BITS) as server:
        async with Rest(server.addresses.rest) as rest:
            assert (await accounts.find_server(rest)).proof_of_work_bits == BITS
        alice = await server.register("alice")
        key = alice.recovery_key or ""
        await alice.stop()
        again = await Client.recover(  # which is limited by tries, and asks for no work
            server=server.addresses.rest, store=tmp_path / "b", user_name="alice", recovery_key=key
        )
        assert again.user_id == alice.user_id
        await again.stop()


async def test_who_does_not_work_is_refused(tmp_path: Path) -> None:
    env = Environment()
    async with testing.server(tmp_path, proof_of_work_bits=BITS) as server:
        address = server.addresses.rest
        store = DeviceStore.open(tmp_path / "lazy", None, env.randomness, create=True)
        async with Rest(address) as rest:
            entrance = Entrance(store, rest, env, address, "websocket")
            found, device = await entrance._prepare()
            guesses = map(str, range(100))
            wrong = next(
                guess
                for guess in guesses
                if work_done(found.name, device.identity.public, guess) < BITS
            )
            lazy = Registration("alice", proof_of_work=wrong)
            with pytest.raises(RegistrationRefused):
                await accounts.register(rest, found, device, lazy, env)
        await store.close()
