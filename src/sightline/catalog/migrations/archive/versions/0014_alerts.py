"""Keep time-critical findings until somebody acknowledges them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Bring the schema to this version; what was published before alerts nobody."""
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "lineage_id",
            sa.String(),
            sa.ForeignKey("prediction.lineage_id"),
            nullable=False,
            unique=True,
        ),
        sa.Column("raised_at", sa.Float(), nullable=False),
        sa.Column("escalates_at", sa.Float(), nullable=False),
        sa.Column("is_escalated", sa.Boolean(), nullable=False),
        sa.Column("next_notice_at", sa.Float(), nullable=False),
        sa.Column("notices", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("closed", sa.String(), nullable=False),
        sa.Column("closed_at", sa.Float()),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
    )
    op.create_index("ix_alert_closed", "alert", ["closed"])


def downgrade() -> None:
    """Bring the schema back; nobody is told any more."""
    op.drop_table("alert")
