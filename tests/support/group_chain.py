"""People who make changes of groups, signed with keys of their own: nothing of the SDK is used."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import Change, Create, Keys, Membership, What, apply
from signet.keys.parts import Caller
from signet.v1.groups import looked, read_record, write_record
from tests.support.identities import NewPerson
from tests.support.keys_service import Service


@dataclass
class GroupPerson:
    """Somebody with an account."""

    person: NewPerson
    caller: Caller

    @property
    def user(self) -> UserId:
        return self.caller.user

    @property
    def identity(self) -> bytes:
        return self.person.identity.public

    @property
    def key(self) -> tuple[UserId, bytes]:
        """As a change names them."""
        return self.user, self.identity

    def record(self, group: Membership, what: What, link: Ed25519PrivateKey | None = None) -> bytes:
        """The next change of a group, signed."""
        change = Change(
            group.group, group.version + 1, group.hash, self.user, self.identity, what, b""
        )
        return write_record(change, self.person.identity.sign, link.sign if link else None)

    def look(self, group: GroupId, link: Ed25519PrivateKey) -> bytes:
        """The proof that they know the link (G8)."""
        return link.sign(looked(group, self.user))


async def somebody(service: Service) -> GroupPerson:
    person = NewPerson()
    return GroupPerson(person, await service.caller(await service.register(person)))


@dataclass
class Chain:
    """A group as those see it who follow its chain."""

    service: Service
    now: Membership
    records: list[bytes] = field(default_factory=list)

    async def change(
        self, actor: GroupPerson, what: What, link: Ed25519PrivateKey | None = None
    ) -> Membership:
        """Make the next change. Raises SignetError, and the chain is as it was."""
        record = actor.record(self.now, what, link)
        done = await self.service.keys.groups.change(actor.caller, record)
        self.now = apply(self.now, read_record(record).change)
        self.records.append(record)
        assert (done.version, done.membership) == (self.now.version, self.now.membership)
        return self.now


async def created(
    service: Service, group: GroupId, actor: GroupPerson, *others: GroupPerson
) -> Chain:
    """A group of these, by the first."""
    chain = Chain(service, Membership(group))
    members: Keys = tuple(other.key for other in others)
    await chain.change(actor, Create(members))
    return chain
