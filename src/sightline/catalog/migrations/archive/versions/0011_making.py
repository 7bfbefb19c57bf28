"""Keep with each prediction how it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Bring the schema to this version; of earlier predictions nobody knows it."""
    op.add_column("prediction", sa.Column("making", sa.JSON()))


def downgrade() -> None:
    """Bring the schema back; predictions cannot be made again from their records."""
    with op.batch_alter_table("prediction") as table:
        table.drop_column("making")
