"""What was not told yet, and the recovery hash before the last take-over.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("former_recovery_hash", sa.LargeBinary(), nullable=True))
    op.create_table(
        "untold",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("replaced", sa.Boolean(), nullable=False),
        sa.Column("dropped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "version", name=op.f("pk_untold")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("untold")
    op.drop_column("account", "former_recovery_hash")
