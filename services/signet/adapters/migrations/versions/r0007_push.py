"""How devices are woken.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push_registration",
        sa.Column("user_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("auth", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "device_id"],
            ["device.user_id", "device.device_id"],
            name=op.f("fk_push_registration_user_id_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "device_id", name=op.f("pk_push_registration")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("push_registration")
