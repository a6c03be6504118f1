"""What a thief of the server's disk and a reader of its logs find (protos/threat-model.md)."""

import base64
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from signet.client import Client
from signet.core.ids import UserId, show
from signet.core.limits import MAX_PRE_KEYS
from tests.support.people import running
from tests.support.server import server

TEXT = "meet me at the old mill at midnight"
PIN = "83746502"


@dataclass
class Secrets:
    """What nobody but its owner may have."""

    words: dict[str, bytes]

    def found_in(self, data: bytes) -> set[str]:
        """Also as hex, and as base64 wherever it begins."""
        return {name for name, word in self.words.items() if any(s in data for s in spelled(word))}


def spelled(word: bytes) -> list[bytes]:
    shifted = (base64.b64encode(bytes(pad) + word)[4:-4] for pad in range(3))
    return [word, word.hex().encode(), *shifted]


def of(client: Client, recovery_key: str) -> dict[str, bytes]:
    account = client._account
    return {
        f"{account.user_name}'s identity key": account.identity_private,
        f"{account.user_name}'s login key": account.login_private,
        f"{account.user_name}'s recovery key": recovery_key.encode(),
        f"{account.user_name}'s recovery key, bare": recovery_key.replace("-", "").encode(),
    }


async def test_no_file_of_the_server_holds_what_was_written_or_what_opens_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message was delivered, and one waits."""
    data, words = tmp_path / "data", {"the text": TEXT.encode(), "the PIN": PIN.encode()}
    async with server(data) as started:
        people = []
        for name in ("alice_of_the_mill", "bob_of_the_hill"):
            where = started.addresses.rest
            client = await Client.register(server=where, store=tmp_path / name, user_name=name)
            words |= of(client, client.recovery_key or "")
            people.append(client)
        alice, bob = people
        async with running(alice) as a:
            await alice.set_registration_lock(PIN)
            async with running(bob) as b:
                await alice.send(bob.user_id, TEXT)
                assert await b.reads(1) == [TEXT]
                await bob.send(alice.user_id, TEXT)
                assert await a.reads(1) == [TEXT]
            waits = await alice.send(bob.user_id, TEXT)
            await alice.wait_sent(waits.id)
            words |= {f"pre-key {n}": key for n, key in enumerate(await pre_keys(alice))}
            assert len(words) > MAX_PRE_KEYS
        secrets = Secrets(words)
        held = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
        assert held.find(alice.user_id) >= 0, "this is not where the server keeps things"
        assert secrets.found_in(held) == set()
        said = capsys.readouterr()
        log = (said.out + said.err).encode()
        assert b"shards taken" in log, "this is not what the server says"
        assert secrets.found_in(log) == set()
        assert named_in(log, [alice.user_id, bob.user_id], "_of_the_") == []


async def pre_keys(client: Client) -> list[bytes]:
    """Private halves of one-time keys."""
    return await client._store.run(
        lambda tx: [
            key.pair.private
            for number in range(1, 3 * MAX_PRE_KEYS)
            if (key := tx.pre_keys.one_time(number)) is not None
        ]
    )


def named_in(log: bytes, users: list[UserId], names: str) -> list[str]:
    """Who is named: by id, in any of its spellings, or by user name."""
    words = [word for user in users for word in (user.hex(), show(user), str(UUID(bytes=user)))]
    return [word for word in (*words, names) if word.encode() in log]
