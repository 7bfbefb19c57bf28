"""Find the studies of a rare modality without going through all."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_index("ix_series_of_modality", "series", ["modality", "study_uid"])


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_index("ix_series_of_modality", "series")
