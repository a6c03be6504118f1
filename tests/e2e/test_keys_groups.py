"""Groups at the keys service, on a real server: REST and gRPC say the same."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc import aio

from signet.core.errors import RULES, Code
from signet.core.groups import GroupId
from signet.core.ids import show
from signet.core.membership import Create, Join, Membership, Remove, SetLink, SetProfile, apply
from signet.keys.server import KeysServer
from signet.v1 import group_pb2 as pb
from signet.v1 import group_pb2_grpc
from signet.v1.groups import read_record
from tests.support.group_chain import GroupPerson
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, keys_service

GROUP = GroupId(b"g" * 16)


@dataclass
class Running:
    """A server, and somebody's way to it over each transport."""

    service: Service
    rest: httpx.AsyncClient
    stub: Any  # the asyncio stub has no type of its own

    async def somebody(self) -> tuple[GroupPerson, str]:
        person = NewPerson()
        done = await self.service.register(person)
        return GroupPerson(person, await self.service.caller(done)), done.token.token


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with keys_service(tmp_path) as service:
        server = KeysServer(service.keys)
        await server.start()
        async with (
            aio.insecure_channel(str(server.grpc)) as channel,
            httpx.AsyncClient(base_url=f"http://{server.rest}") as client,
        ):
            yield Running(service, client, group_pb2_grpc.GroupsStub(channel))
        await server.stop()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_group_made_over_rest_is_changed_over_grpc_and_looks_the_same(
    running: Running,
) -> None:
    (ann, ann_token), (bob, bob_token) = await running.somebody(), await running.somebody()
    group = Membership(GROUP)
    record = ann.record(group, Create((bob.key,)))
    made = await running.rest.post(
        "/v1/groups/changes", json={"record": b64(record)}, headers=bearer(ann_token)
    )
    assert made.status_code == 200
    assert made.json() == {"group": show(GROUP), "version": 1, "membership": 1}
    group = apply(group, read_record(record).change)
    named = ann.record(group, SetProfile(b"name"))
    done = await running.stub.ChangeGroup(
        pb.ChangeGroupRequest(record=named), metadata=metadata(ann_token)
    )
    assert (done.group, done.version, done.membership) == (GROUP, 2, 1)

    found = await running.rest.get(f"/v1/groups/{UUID(bytes=GROUP)}", headers=bearer(bob_token))
    same = await running.stub.GetGroup(
        pb.GetGroupRequest(group=GROUP), metadata=metadata(bob_token)
    )
    assert (same.version, same.membership) == (2, 1)
    assert found.json()["members"] == [
        {
            "user": show(member.user),
            "devices": [
                {"device_id": one.device_id, "registration_id": one.registration_id}
                for one in member.devices
            ],
        }
        for member in same.members
    ]
    assert [member.user for member in same.members] == sorted((ann.user, bob.user))

    chain = await running.rest.get(
        f"/v1/groups/{UUID(bytes=GROUP)}/changes",
        params={"after": 1},
        headers=bearer(bob_token),
    )
    assert chain.json() == {"records": [b64(named)], "more": False}
    both = await running.stub.GetGroupChanges(
        pb.GetGroupChangesRequest(group=GROUP), metadata=metadata(bob_token)
    )
    assert list(both.records) == [record, named]
    listed = await running.stub.ListGroups(pb.ListGroupsRequest(), metadata=metadata(bob_token))
    assert list(listed.groups) == [GROUP]
    mine = await running.rest.get("/v1/groups", headers=bearer(bob_token))
    assert mine.json() == {"groups": [show(GROUP)]}


async def test_a_refusal_has_the_same_code_over_both(running: Running) -> None:
    (ann, ann_token), (bob, bob_token) = await running.somebody(), await running.somebody()
    record = ann.record(Membership(GROUP), Create((bob.key,)))
    await running.stub.ChangeGroup(
        pb.ChangeGroupRequest(record=record), metadata=metadata(ann_token)
    )
    group = apply(Membership(GROUP), read_record(record).change)
    for refused, token, code in [
        (bob.record(group, Remove((ann.user,))), bob_token, Code.FORBIDDEN),
        (ann.record(Membership(GROUP), Create(())), ann_token, Code.GROUP_CHANGED),
        (b"\xff", ann_token, Code.BAD_SIGNATURE),
    ]:
        answer = await running.rest.post(
            "/v1/groups/changes", json={"record": b64(refused)}, headers=bearer(token)
        )
        assert (answer.status_code, answer.json()["code"]) == (RULES[code].http, code.name)
        with pytest.raises(aio.AioRpcError) as found:
            await running.stub.ChangeGroup(
                pb.ChangeGroupRequest(record=refused), metadata=metadata(token)
            )
        assert dict(found.value.trailing_metadata() or ())["signet-code"] == code.name
        assert found.value.code() is grpc.StatusCode[RULES[code].grpc]


async def test_a_link_is_looked_at_and_joined_by_proof(running: Running) -> None:
    (ann, ann_token), (bob, bob_token) = await running.somebody(), await running.somebody()
    link = Ed25519PrivateKey.generate()
    group = Membership(GROUP)
    for what in (Create(()), SetLink(link.public_key().public_bytes_raw())):
        record = ann.record(group, what)
        await running.stub.ChangeGroup(
            pb.ChangeGroupRequest(record=record), metadata=metadata(ann_token)
        )
        group = apply(group, read_record(record).change)
    where = f"/v1/groups/{UUID(bytes=GROUP)}"
    assert (await running.rest.get(where, headers=bearer(bob_token))).status_code == 404
    proof = {"link_proof": bob.look(GROUP, link).hex()}
    seen = await running.rest.get(f"{where}/changes", params=proof, headers=bearer(bob_token))
    assert len(seen.json()["records"]) == 2
    joined = await running.rest.post(
        "/v1/groups/changes",
        json={"record": b64(bob.record(group, Join(), link))},
        headers=bearer(bob_token),
    )
    assert joined.json()["membership"] == 3
    assert (await running.rest.get(where, headers=bearer(bob_token))).status_code == 200


async def test_without_a_token_there_is_nothing(running: Running) -> None:
    for path in ("/v1/groups", f"/v1/groups/{UUID(bytes=GROUP)}"):
        assert (await running.rest.get(path)).status_code == 401
    with pytest.raises(aio.AioRpcError) as found:
        await running.stub.ListGroups(pb.ListGroupsRequest())
    assert found.value.code() is grpc.StatusCode.UNAUTHENTICATED
