"""Keep with a release what its gate found."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Bring the schema to this version; of earlier releases nobody knows it."""
    op.add_column("release", sa.Column("checks", sa.JSON()))


def downgrade() -> None:
    """Bring the schema back; what gates found is lost."""
    with op.batch_alter_table("release") as table:
        table.drop_column("checks")
