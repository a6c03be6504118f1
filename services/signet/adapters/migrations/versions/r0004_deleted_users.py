"""Ids that are never given again, and a way to find who blocks somebody.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deleted_user",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_deleted_user")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_block_blocked_id"), "block", ["blocked_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_block_blocked_id"), table_name="block")
    op.drop_table("deleted_user")
