"""Mailboxes in which devices are linked; when a device last logged in.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("device", sa.Column("last_login_ms", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_device_last_login_ms"), "device", ["last_login_ms"], unique=False)
    op.create_table(
        "device_link",
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.LargeBinary(), nullable=True),
        sa.Column("by_device", sa.Integer(), nullable=True),
        sa.Column("offer", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("login_key", sa.LargeBinary(), nullable=True),
        sa.Column("registration_id", sa.Integer(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "by_device"],
            ["device.user_id", "device.device_id"],
            name=op.f("fk_device_link_user_id_by_device"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_device_link")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_device_link_expires_ms"), "device_link", ["expires_ms"], unique=False)


def downgrade() -> None:
    op.drop_table("device_link")
    op.drop_index(op.f("ix_device_last_login_ms"), table_name="device")
    op.drop_column("device", "last_login_ms")
