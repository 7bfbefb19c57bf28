"""Keep the order of the members of a version when their names change."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.add_column("collection_member", sa.Column("place", sa.Integer))


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_column("collection_member", "place")
