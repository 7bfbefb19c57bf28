"""Remember what a PACS announces that it has of a study."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "announcement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("announcer", sa.String(), nullable=False),
        sa.Column("announced_at", sa.Float(), nullable=False),
        sa.Column("instances", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_announcement_of_study", "announcement", ["study_uid", "announced_at"])
    op.create_index(op.f("ix_announcement_announced_at"), "announcement", ["announced_at"])


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_table("announcement")
