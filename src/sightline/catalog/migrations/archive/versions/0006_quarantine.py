"""Quarantine is a place: what is held has a state."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Bring the schema to this version."""
    with op.batch_alter_table("holding", schema=None) as batch_op:
        batch_op.add_column(sa.Column("state", sa.String(), nullable=False, server_default="held"))
        batch_op.create_index(batch_op.f("ix_holding_state"), ["state"], unique=False)


def downgrade() -> None:
    """Bring the schema back."""
    with op.batch_alter_table("holding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_holding_state"))
        batch_op.drop_column("state")
