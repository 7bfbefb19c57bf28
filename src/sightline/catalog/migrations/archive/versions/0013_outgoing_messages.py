"""Keep what other systems are still to be told of results."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "outgoing_message",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "lineage_id", sa.String(), sa.ForeignKey("prediction.lineage_id"), nullable=False
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.Float(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("delivered_at", sa.Float()),
        sa.UniqueConstraint("lineage_id", "kind", "destination"),
    )
    op.create_index("ix_outgoing_message_state", "outgoing_message", ["state"])


def downgrade() -> None:
    """Bring the schema back; what was still to be told is told to nobody."""
    op.drop_table("outgoing_message")
