"""What the series look like that a model is familiar with."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Bring the schema to this version; nothing is known of the models that are there."""
    op.create_table(
        "familiar",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_id", sa.String(), sa.ForeignKey("model.lineage_id"), nullable=False),
        sa.Column(
            "version_id",
            sa.String(),
            sa.ForeignKey("collection_version.lineage_id"),
            nullable=False,
        ),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_index("ix_familiar_model_id", "familiar", ["model_id"])


def downgrade() -> None:
    """Bring the schema back; what models are familiar with is forgotten."""
    op.drop_table("familiar")
