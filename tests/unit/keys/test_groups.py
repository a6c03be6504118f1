"""Chains of changes, as the server judges them (G1, G2, G8, G9)."""

import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId
from signet.core.limits import MAX_GROUP_RECORD
from signet.core.membership import (
    Add,
    Create,
    Join,
    Leave,
    Membership,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
    What,
)
from signet.ports.groups import Untold
from signet.ports.inbox import StoreUnavailable
from signet.v1 import group_pb2 as pb
from signet.v1.groups import read_record
from tests.support.group_chain import Chain, GroupPerson, created, somebody
from tests.support.keys_service import Service, generous, keys_service, service

__all__ = ["service"]
GROUP = GroupId(b"g" * 16)


async def people(service: Service, count: int) -> list[GroupPerson]:
    return [await somebody(service) for _ in range(count)]


async def refused(chain: Chain, actor: GroupPerson, what: What, **link: object) -> Code:
    with pytest.raises(SignetError) as refusal:
        await chain.change(actor, what, **link)  # type: ignore[arg-type]
    return refusal.value.code


async def test_a_group_is_made_changed_and_told(service: Service) -> None:
    ann, bob, cat = await people(service, 3)
    chain = await created(service, GROUP, ann, bob)
    await chain.change(ann, Add((cat.key,)))
    await chain.change(ann, SetProfile(b"a name"))
    await chain.change(ann, SetAdministrator(bob.user, True))
    await chain.change(bob, Remove((cat.user,)))
    await chain.change(ann, Leave())
    found = await service.keys.groups.get(bob.caller, GROUP)
    assert (found.version, found.membership) == (6, 6)
    assert set(found.devices) == {bob.user}
    assert service.told.groups == [GROUP] * 6
    assert await service.directory.untold_groups() == []


async def test_members_read_the_chain_and_others_find_no_group(service: Service) -> None:
    ann, bob, stranger = await people(service, 3)
    chain = await created(service, GROUP, ann, bob)
    await chain.change(ann, SetProfile(b"x"))
    groups = service.keys.groups
    assert list((await groups.changes(bob.caller, GROUP, 0)).records) == chain.records
    assert list((await groups.changes(bob.caller, GROUP, 1)).records) == chain.records[1:]
    assert await groups.of(bob.caller) == (GROUP,)
    assert await groups.of(stranger.caller) == ()
    for unknown in (GROUP, GroupId(os.urandom(16))):
        with pytest.raises(SignetError) as refusal:
            await groups.get(stranger.caller, unknown)
        assert refusal.value.code is Code.NOT_FOUND
    for what in (Leave(), SetProfile(b""), Join()):
        assert await refused(chain, stranger, what) is Code.NOT_FOUND


async def test_the_devices_of_members_are_listed_and_gone_accounts_have_none(
    service: Service,
) -> None:
    ann, bob = await people(service, 2)
    await created(service, GROUP, ann, bob)
    found = await service.keys.groups.get(ann.caller, GROUP)
    assert found.devices == {ann.user: {1: 4711}, bob.user: {1: 4711}}
    await service.directory.delete_account(bob.user)
    found = await service.keys.groups.get(ann.caller, GROUP)
    assert found.devices == {ann.user: {1: 4711}, bob.user: {}}
    chain = Chain(service, (await service.directory.group(GROUP)) or Membership(GROUP))
    await chain.change(ann, Remove((bob.user,)))  # G9
    assert set((await service.keys.groups.get(ann.caller, GROUP)).devices) == {ann.user}


async def test_a_server_cannot_make_a_change_and_neither_can_another_member(
    service: Service,
) -> None:
    ann, bob, cat = await people(service, 3)
    chain = await created(service, GROUP, ann, bob)
    by_bob = pb.SignedGroupChange.FromString(bob.record(chain.now, Add((cat.key,))))
    by_ann = pb.SignedGroupChange.FromString(ann.record(chain.now, Add((cat.key,))))
    forged = pb.SignedGroupChange(change=by_ann.change, signature=by_bob.signature)
    groups = service.keys.groups
    for caller, record, code in [
        (ann, forged, Code.BAD_SIGNATURE),
        (bob, by_ann, Code.FORBIDDEN),
        (bob, by_bob, Code.FORBIDDEN),
    ]:
        with pytest.raises(SignetError) as refusal:
            await groups.change(caller.caller, record.SerializeToString())
        assert refusal.value.code is code
    assert (await groups.get(ann.caller, GROUP)).version == 1


async def test_what_came_second_is_signed_again(service: Service) -> None:
    ann, bob = await people(service, 2)
    chain = await created(service, GROUP, ann, bob)
    late = replace(chain, now=chain.now)
    await chain.change(ann, SetProfile(b"first"))
    assert await refused(late, ann, SetProfile(b"second")) is Code.GROUP_CHANGED
    early = replace(chain, now=replace(chain.now, version=7))
    assert await refused(early, ann, SetProfile(b"third")) is Code.GROUP_CHANGED


async def test_the_same_change_again_is_answered_the_same(service: Service) -> None:
    ann, bob = await people(service, 2)
    chain = await created(service, GROUP, ann, bob)
    record = bob.record(chain.now, Leave())
    groups = service.keys.groups
    first = await groups.change(bob.caller, record)
    assert await groups.change(bob.caller, record) == first
    assert list((await groups.changes(ann.caller, GROUP, 1)).records) == [record]


async def test_a_change_is_answered_when_it_stands_in_the_order_and_not_before(
    service: Service,
) -> None:
    """G2: it is stored, told again later, and the same again is answered when that was done."""
    ann, bob = await people(service, 2)
    chain = await created(service, GROUP, ann, bob)
    service.told.away = StoreUnavailable("away")
    record = ann.record(chain.now, Remove((bob.user,)))
    with pytest.raises(SignetError) as refusal:
        await service.keys.groups.change(ann.caller, record)
    assert refusal.value.code is Code.STORE_UNAVAILABLE
    assert refusal.value.retry_after_s > 0
    assert await service.directory.untold_groups() == [Untold(GROUP, 2)]
    service.told.away = None
    assert (await service.keys.groups.change(ann.caller, record)).version == 2
    assert await service.directory.untold_groups() == []


async def test_what_was_not_told_is_told_later(service: Service) -> None:
    ann, bob = await people(service, 2)
    service.told.away = TimeoutError()
    with pytest.raises(SignetError):
        await created(service, GROUP, ann, bob)
    await service.keys.group_outbox.catch_up(fresh=True)
    assert service.told.groups == []
    service.told.away = None
    await service.keys.group_outbox.catch_up()
    assert service.told.groups == [GROUP]
    assert await service.directory.untold_groups() == []


async def test_who_knows_the_link_looks_and_joins_without_showing_it(service: Service) -> None:
    ann, bob, cat = await people(service, 3)
    chain = await created(service, GROUP, ann)
    link, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    await chain.change(ann, SetLink(link.public_key().public_bytes_raw()))
    groups = service.keys.groups
    seen = await groups.changes(bob.caller, GROUP, 0, bob.look(GROUP, link))
    assert list(seen.records) == chain.records
    for wrong in (b"", bob.look(GROUP, other), cat.look(GROUP, link)):
        with pytest.raises(SignetError) as refusal:
            await groups.get(bob.caller, GROUP, wrong)
        assert refusal.value.code is Code.NOT_FOUND
    assert await refused(chain, bob, Join(), link=other) is Code.NOT_FOUND
    assert await refused(chain, bob, Join()) is Code.NOT_FOUND
    await chain.change(bob, Join(), link)
    assert bob.user in chain.now.members
    await chain.change(ann, SetLink(b""))
    assert await refused(chain, cat, Join(), link=link) is Code.NOT_FOUND
    with pytest.raises(SignetError):
        await groups.get(cat.caller, GROUP, cat.look(GROUP, link))


async def test_nobody_is_added_who_is_not_there_or_refuses_the_actor(service: Service) -> None:
    ann, bob = await people(service, 2)
    chain = await created(service, GROUP, ann)
    await service.keys.accounts.set_blocked(bob.caller, ann.user, True)
    assert await refused(chain, ann, Add((bob.key,))) is Code.NOT_FOUND
    await service.directory.delete_account(bob.user)
    assert await refused(chain, ann, Add((bob.key,))) is Code.NOT_FOUND
    (cat,) = await people(service, 1)
    other_key = (cat.user, bob.identity)
    assert await refused(chain, ann, Add((other_key,))) is Code.INVALID_ARGUMENT


async def test_who_was_taken_over_acts_again_when_an_administrator_has_added_them(
    service: Service,
) -> None:
    ann, bob = await people(service, 2)
    chain = await created(service, GROUP, ann, bob)
    (new,) = await people(service, 1)
    # As after a take-over: the account has another identity key than the chain.
    account = replace(bob.caller.account, identity_key=new.identity)
    taken = GroupPerson(new.person, replace(bob.caller, account=account))
    assert await refused(chain, taken, Leave()) is Code.FORBIDDEN


async def test_a_record_is_of_the_protocol_and_not_too_large(service: Service) -> None:
    (ann,) = await people(service, 1)
    groups = service.keys.groups
    for record, code in [
        (b"\xff", Code.BAD_SIGNATURE),
        (b"", Code.BAD_SIGNATURE),
        (bytes(MAX_GROUP_RECORD + 1), Code.CONTENT_TOO_LARGE),
        (ann.record(Membership(GroupId(b"short")), Create(())), Code.BAD_SIGNATURE),
        (ann.record(Membership(GROUP), Create((ann.key, ann.key))), Code.BAD_SIGNATURE),
    ]:
        with pytest.raises(SignetError) as refusal:
            await groups.change(ann.caller, record)
        assert refusal.value.code is code
    with pytest.raises(SignetError):
        await groups.get(ann.caller, b"short")


async def test_owners_of_groups_hear_when_the_devices_of_a_member_change(
    service: Service,
) -> None:
    """O5 of docs/durability.md: the next send is judged by the devices that are there."""
    ann, bob = await people(service, 2)
    await created(service, GROUP, ann, bob)
    before = len(service.told.groups)
    await service.keys.accounts.remove_device(bob.caller, 1)
    assert service.told.groups[before:] == [GROUP]


async def test_changes_are_limited(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = generous(group_changes_an_hour=2)
    async with keys_service(tmp_path_factory.mktemp("limited"), config) as limited:
        (ann,) = await people(limited, 1)
        chain = await created(limited, GROUP, ann)
        await chain.change(ann, SetProfile(b"x"))
        assert await refused(chain, ann, SetProfile(b"y")) is Code.RATE_LIMITED


async def test_a_record_comes_out_as_it_went_in(service: Service) -> None:
    ann, bob = await people(service, 2)
    group = Membership(GROUP, version=4, hash=b"h" * 32)
    changes: list[What] = [
        Create((bob.key,), b"p"),
        Add((bob.key,)),
        Remove((bob.user,)),
        Leave(bob.user),
        Leave(),
        Join(),
        SetAdministrator(bob.user, False),
        SetLink(b"l" * 32),
        SetLink(b""),
        SetProfile(b"name"),
    ]
    for what in changes:
        change = read_record(ann.record(group, what)).change
        assert (change.what, change.version, change.previous) == (what, 5, b"h" * 32)
        assert (change.group, change.actor, change.actor_identity) == (GROUP, *ann.key)
