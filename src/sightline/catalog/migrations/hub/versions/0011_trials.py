"""Keep how each back end ran a model on each kind of machine."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "trial",
        sa.Column("model_id", sa.String(), sa.ForeignKey("model.lineage_id"), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("back_end", sa.String(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "machine", "back_end"),
    )


def downgrade() -> None:
    """Bring the schema back; models run as they were trained."""
    op.drop_table("trial")
