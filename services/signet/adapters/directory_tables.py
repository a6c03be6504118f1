"""The directory's tables. Migrations make exactly these (tests/contract/test_migrations.py).

One-time keys have a row each, so that handing one out is one DELETE (P8). `used_key` remembers
which bytes an id stood for, for as long as the device is there: about 40 bytes a key.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

account = Table(
    "account",
    metadata,
    Column("user_id", LargeBinary, primary_key=True),
    Column("identity_key", LargeBinary, nullable=False),
    Column("user_name", String, unique=True),
    Column("findable", Boolean, nullable=False),
    Column("presence", Integer, nullable=False),
    Column("recovery_hash", LargeBinary, nullable=False),
    Column("lock_hash", LargeBinary, nullable=False),
    Column("person", LargeBinary, unique=True),
    Column("generation", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("last_device", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("tries_since_ms", BigInteger, nullable=False),
    Column("former_recovery_hash", LargeBinary),
    Column("last_seen_ms", BigInteger),
    sqlite_with_rowid=False,
)

device = Table(
    "device",
    metadata,
    Column(
        "user_id",
        LargeBinary,
        ForeignKey("account.user_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("device_id", Integer, primary_key=True, autoincrement=False),
    Column("registration_id", Integer, nullable=False),
    Column("login_key", LargeBinary, nullable=False),
    Column("name", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_login_ms", BigInteger, index=True),
    sqlite_with_rowid=False,
)


def _of_a_device() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["user_id", "device_id"], ["device.user_id", "device.device_id"], ondelete="CASCADE"
    )


long_lived_key = Table(
    "long_lived_key",
    metadata,
    Column("user_id", LargeBinary, primary_key=True),
    Column("device_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    _of_a_device(),
    sqlite_with_rowid=False,
)

one_time_key = Table(
    "one_time_key",
    metadata,
    Column("user_id", LargeBinary, primary_key=True),
    Column("device_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    _of_a_device(),
)

used_key = Table(
    "used_key",
    metadata,
    Column("user_id", LargeBinary, primary_key=True),
    Column("device_id", Integer, primary_key=True, autoincrement=False),
    Column("curve", Integer, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    _of_a_device(),
    sqlite_with_rowid=False,
)

push_registration = Table(  # how a device is woken: ports/push_registrations
    "push_registration",
    metadata,
    Column("user_id", LargeBinary, primary_key=True),
    Column("device_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("token", String, nullable=False),  # or the endpoint
    Column("topic", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("auth", LargeBinary, nullable=False),
    _of_a_device(),
    sqlite_with_rowid=False,
)

untold = Table(  # no foreign key: a deleted account is told as well
    "untold",
    metadata,
    Column("user_id", LargeBinary, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("replaced", Boolean, nullable=False),
    Column("dropped", LargeBinary, nullable=False),  # a byte for each device id
    sqlite_with_rowid=False,
)

deleted_user = Table(  # so that no id is given twice
    "deleted_user",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

device_link = Table(  # gone with the device that offered something there
    "device_link",
    metadata,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("user_id", LargeBinary),
    Column("by_device", Integer),
    Column("offer", LargeBinary),
    Column("answer", LargeBinary),
    Column("login_key", LargeBinary),
    Column("registration_id", Integer),
    Column("sealed", LargeBinary),
    Column("device_id", Integer),  # that was added
    ForeignKeyConstraint(
        ["user_id", "by_device"], ["device.user_id", "device.device_id"], ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,
)

profile = Table(
    "profile",
    metadata,
    Column(
        "user_id",
        LargeBinary,
        ForeignKey("account.user_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("version", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

nonce = Table(
    "nonce",
    metadata,
    Column("nonce", LargeBinary, primary_key=True),
    Column("user_id", LargeBinary, nullable=False),
    Column("device_id", Integer, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", String, primary_key=True),
    Column("follows", String, nullable=False, unique=True),  # one successor each, whoever races
    Column("private_key", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("retired_ms", BigInteger, nullable=False),
    Column("gone_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

invitation = Table(
    "invitation",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

spent_token = Table(
    "spent_token",
    metadata,
    Column("token_id", LargeBinary, primary_key=True),
    Column("until_ms", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

block = Table(
    "block",
    metadata,
    Column(
        "user_id",
        LargeBinary,
        ForeignKey("account.user_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("blocked_id", LargeBinary, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

contact = Table(
    "contact",
    metadata,
    Column(
        "user_id",
        LargeBinary,
        ForeignKey("account.user_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column(
        "peer_id",
        LargeBinary,
        ForeignKey("account.user_id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sqlite_with_rowid=False,
)

chat_group = Table(
    "chat_group",
    metadata,
    Column("group_id", LargeBinary, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),  # a StoredGroup: as its chain says
    sqlite_with_rowid=False,
)


def _of_a_group() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["group_id"], ["chat_group.group_id"], ondelete="CASCADE")


group_member = Table(  # for who asks of which groups they are; the group itself is in `state`
    "group_member",
    metadata,
    Column(
        "user_id",
        LargeBinary,
        ForeignKey("account.user_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("group_id", LargeBinary, primary_key=True, index=True),
    _of_a_group(),
    sqlite_with_rowid=False,
)

group_change = Table(
    "group_change",
    metadata,
    Column("group_id", LargeBinary, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    _of_a_group(),
    sqlite_with_rowid=False,
)

group_step = Table(  # an outbox: what is to be put into the group's order
    "group_step",
    metadata,
    Column("group_id", LargeBinary, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("members", LargeBinary, nullable=False),  # who gets it: 16 bytes each
    _of_a_group(),
    sqlite_with_rowid=False,
)
