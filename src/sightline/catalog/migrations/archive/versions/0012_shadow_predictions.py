"""Keep what models in shadow say, apart from what is published."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "shadow_prediction",
        sa.Column("lineage_id", sa.String(), primary_key=True),
        sa.Column("study_uid", sa.String(), sa.ForeignKey("study.uid"), nullable=False),
        sa.Column("series_uid", sa.String(), sa.ForeignKey("series.uid"), nullable=False),
        sa.Column("series_digest", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("model_version", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("finding", sa.JSON()),
        sa.Column("seg_digest", sa.String(), nullable=False),
        sa.Column("making", sa.JSON()),
        sa.Column("beside", sa.JSON()),
        sa.UniqueConstraint("series_uid", "series_digest", "model_id"),
    )
    op.create_index("ix_shadow_prediction_study_uid", "shadow_prediction", ["study_uid"])
    op.create_index("ix_shadow_prediction_model_id", "shadow_prediction", ["model_id"])


def downgrade() -> None:
    """Bring the schema back; what models said in shadow is lost."""
    op.drop_table("shadow_prediction")
