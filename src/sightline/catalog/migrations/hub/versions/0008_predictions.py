"""Keep what models say of collections."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "prediction",
        sa.Column("lineage_id", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("version_id", sa.String(), nullable=False),
        sa.Column("series_uid", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("volume_digest", sa.String(), nullable=False),
        sa.Column("mask_digest", sa.String(), nullable=True),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.lineage_id"]),
        sa.ForeignKeyConstraint(["version_id"], ["collection_version.lineage_id"]),
        sa.ForeignKeyConstraint(["series_uid"], ["series.uid"]),
        sa.PrimaryKeyConstraint("lineage_id"),
        sa.UniqueConstraint("model_id", "version_id", "series_uid"),
    )
    op.create_index("ix_prediction_version_id", "prediction", ["version_id"])
    op.create_index("ix_prediction_series_uid", "prediction", ["series_uid"])


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_table("prediction")
