"""What a gateway knows of the keys that tokens are signed with: from keys pods, over HTTP."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signet.adapters.members_memory import MemoryMembers
from signet.adapters.token_keys_http import TokenKeys, read_set
from signet.core.ids import Incarnation
from signet.pod.listening import address
from signet.ports.members import Kind, Member, State
from signet.telemetry.pages import Answer, Pages


def public(number: int) -> Ed25519PublicKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key()


def jwk(number: int) -> dict[str, str]:
    x = base64.urlsafe_b64encode(public(number).public_bytes_raw()).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "kid": f"key-{number}", "x": x}


@dataclass
class KeysPod:
    """The admin port of a keys pod, as far as gateways ask it."""

    keys: list[dict[str, str]]
    asked: int = 0
    pages: Pages = field(init=False)

    async def answer(self, method: str, path: str, body: bytes) -> Answer | None:
        self.asked += 1
        found = path == "/v1/jwks"
        return (
            (200, "application/json", json.dumps({"keys": self.keys}).encode()) if found else None
        )

    async def start(self) -> str:
        self.pages = Pages(lambda: "", api=self.answer)
        return address(await self.pages.start("127.0.0.1", 0))


@asynccontextmanager
async def keys_pod(members: MemoryMembers, *numbers: int) -> AsyncIterator[KeysPod]:
    pod = KeysPod([jwk(number) for number in numbers])
    at = await pod.start()
    member = Member(Kind.KEYS, at, at, State.ACTIVE, 1, Incarnation(bytes(16)))
    await members.put(member)
    try:
        yield pod
    finally:
        await pod.pages.stop()


@asynccontextmanager
async def gateway(members: MemoryMembers, file: Path) -> AsyncIterator[TokenKeys]:
    keys = TokenKeys(members, file)
    keys.start()
    try:
        yield keys
    finally:
        await keys.stop()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_keys_are_fetched_and_a_new_one_is_asked_for_when_it_is_first_seen(
    tmp_path: Path,
) -> None:
    members = MemoryMembers()
    async with keys_pod(members, 1) as pod, gateway(members, tmp_path / "keys") as keys:
        await until(lambda: keys.get("key-1") == public(1))
        pod.keys.append(jwk(2))
        await until(lambda: keys.get("key-2") == public(2))
        pod.keys.pop(0)
        assert keys.get("key-1") is not None  # until it asks again
        await until(lambda: keys.get("key-3") is None and keys.get("key-1") is None)
        assert pod.asked < 10  # TOKEN_KEYS_RETRY


async def test_known_keys_go_on_while_every_keys_pod_is_away_also_over_a_restart(
    tmp_path: Path,
) -> None:
    members = MemoryMembers()
    async with keys_pod(members, 1), gateway(members, tmp_path / "keys") as keys:
        await until(lambda: keys.get("key-1") is not None)
    async with gateway(members, tmp_path / "keys") as keys:
        assert keys.get("key-1") == public(1)
        assert keys.known == 1
        assert keys.get("key-2") is None


async def test_another_pod_is_asked_where_one_does_not_answer(tmp_path: Path) -> None:
    members = MemoryMembers()
    gone = Member(Kind.KEYS, "0", "127.0.0.1:1", State.ACTIVE, 1, Incarnation(bytes(16)))
    await members.put(gone)
    async with keys_pod(members, 1), gateway(members, tmp_path / "keys") as keys:
        await until(lambda: keys.known == 1)


async def test_a_file_that_is_broken_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("{")
    async with gateway(MemoryMembers(), tmp_path / "keys") as keys:
        assert keys.known == 0


@pytest.mark.parametrize("document", [[], {}, {"keys": []}, {"keys": [{}]}, {"keys": 7}, None])
def test_what_is_no_key_set_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="no key set"):
        read_set(document)


def test_keys_of_other_kinds_and_without_a_name_are_passed_over() -> None:
    unnamed: Mapping[str, str] = {k: v for k, v in jwk(2).items() if k != "kid"}
    symmetric = {"kty": "oct", "kid": "key-3", "k": "AAAA"}
    assert set(read_set({"keys": [jwk(1), unnamed, symmetric]})) == {"key-1"}
