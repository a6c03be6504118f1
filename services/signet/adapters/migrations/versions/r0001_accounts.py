"""Accounts, devices, keys, proofs, relations.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _account()
    _invitation()
    _nonce()
    _signing_key()
    _spent_token()
    _block()
    _contact()
    _device()
    _long_lived_key()
    _one_time_key()
    _used_key()


def downgrade() -> None:
    for table in (
        "used_key",
        "one_time_key",
        "long_lived_key",
        "device",
        "contact",
        "block",
        "spent_token",
        "signing_key",
        "nonce",
        "invitation",
        "account",
    ):
        op.drop_table(table)


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("identity_key", sa.LargeBinary(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=True),
        sa.Column("findable", sa.Boolean(), nullable=False),
        sa.Column("presence", sa.Integer(), nullable=False),
        sa.Column("recovery_hash", sa.LargeBinary(), nullable=False),
        sa.Column("lock_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("last_device", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tries_since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_account")),
        sa.UniqueConstraint("person", name=op.f("uq_account_person")),
        sa.UniqueConstraint("user_name", name=op.f("uq_account_user_name")),
        sqlite_with_rowid=False,
    )


def _invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_invitation")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_invitation_expires_ms"), "invitation", ["expires_ms"], unique=False)


def _nonce() -> None:
    op.create_table(
        "nonce",
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_nonce")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_nonce_expires_ms"), "nonce", ["expires_ms"], unique=False)


def _signing_key() -> None:
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("follows", sa.String(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("retired_ms", sa.BigInteger(), nullable=False),
        sa.Column("gone_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_key")),
        sa.UniqueConstraint("follows", name=op.f("uq_signing_key_follows")),
        sqlite_with_rowid=False,
    )


def _spent_token() -> None:
    op.create_table(
        "spent_token",
        sa.Column("token_id", sa.LargeBinary(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_spent_token")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_spent_token_until_ms"), "spent_token", ["until_ms"], unique=False)


def _block() -> None:
    op.create_table(
        "block",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("blocked_id", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["account.user_id"], name=op.f("fk_block_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "blocked_id", name=op.f("pk_block")),
        sqlite_with_rowid=False,
    )


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("peer_id", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["peer_id"], ["account.user_id"], name=op.f("fk_contact_peer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["account.user_id"], name=op.f("fk_contact_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "peer_id", name=op.f("pk_contact")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_contact_peer_id"), "contact", ["peer_id"], unique=False)


def _device() -> None:
    op.create_table(
        "device",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("registration_id", sa.Integer(), nullable=False),
        sa.Column("login_key", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["account.user_id"], name=op.f("fk_device_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "device_id", name=op.f("pk_device")),
        sqlite_with_rowid=False,
    )


def _long_lived_key() -> None:
    op.create_table(
        "long_lived_key",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "device_id"],
            ["device.user_id", "device.device_id"],
            name=op.f("fk_long_lived_key_user_id_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "device_id", "kind", name=op.f("pk_long_lived_key")),
        sqlite_with_rowid=False,
    )


def _one_time_key() -> None:
    op.create_table(
        "one_time_key",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "device_id"],
            ["device.user_id", "device.device_id"],
            name=op.f("fk_one_time_key_user_id_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "user_id", "device_id", "kind", "key_id", name=op.f("pk_one_time_key")
        ),
    )


def _used_key() -> None:
    op.create_table(
        "used_key",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("curve", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "device_id"],
            ["device.user_id", "device.device_id"],
            name=op.f("fk_used_key_user_id_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "user_id", "device_id", "curve", "key_id", name=op.f("pk_used_key")
        ),
        sqlite_with_rowid=False,
    )
