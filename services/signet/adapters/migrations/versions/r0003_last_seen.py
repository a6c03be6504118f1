"""When somebody was last seen.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("last_seen_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("account", "last_seen_ms")
