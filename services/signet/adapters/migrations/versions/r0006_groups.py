"""Groups: chains of changes, what they have made, and what is to be put into their order.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_group",
        sa.Column("group_id", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_chat_group")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_member",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("group_id", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["account.user_id"],
            name=op.f("fk_group_member_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["chat_group.group_id"],
            name=op.f("fk_group_member_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", name=op.f("pk_group_member")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_group_member_group_id"), "group_member", ["group_id"], unique=False)
    for name, column in (("group_change", "record"), ("group_step", "members")):
        op.create_table(
            name,
            sa.Column("group_id", sa.LargeBinary(), nullable=False),
            sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column(column, sa.LargeBinary(), nullable=False),
            sa.ForeignKeyConstraint(
                ["group_id"],
                ["chat_group.group_id"],
                name=op.f(f"fk_{name}_group_id"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("group_id", "version", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )


def downgrade() -> None:
    for name in ("group_step", "group_change", "group_member", "chat_group"):
        op.drop_table(name)
