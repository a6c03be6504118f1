"""People who make and change a group, without a server: their chain and its records."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client.groups import chain
from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import Create, Membership, What
from signet.e2e import IdentityKeyPair
from tests.support.e2e_people import randomness

GROUP = GroupId(bytes(range(16)))
draw = randomness("people of groups")


class Human:
    """Somebody with an identity key."""

    def __init__(self, name: str) -> None:
        self.name = name
        own = randomness(name)
        self.user = UserId(own(16))
        self.identity = IdentityKeyPair.generate(own)

    @property
    def key(self) -> tuple[UserId, bytes]:
        return self.user, self.identity.public

    def signs(self, group: Membership, what: What, link: Ed25519PrivateKey | None = None) -> bytes:
        """A record; raises SignetError where the rules refuse it."""
        return chain.write(
            group, what, actor=self.user, identity=self.identity, randomness=draw, link=link
        )


@dataclass
class Chain:
    """A group as its members have it, and the records that made it."""

    records: list[bytes] = field(default_factory=list)
    group: Membership = field(default_factory=lambda: chain.founded(GROUP))

    def by(self, human: Human, what: What, link: Ed25519PrivateKey | None = None) -> bytes:
        record = human.signs(self.group, what, link)
        self.take(record)
        return record

    def take(self, record: bytes) -> None:
        self.group, _ = chain.follow(self.group, record)
        self.records.append(record)

    @classmethod
    def of(cls, creator: Human, *others: Human) -> "Chain":
        made = cls()
        made.by(creator, Create(tuple(human.key for human in others)))
        return made
