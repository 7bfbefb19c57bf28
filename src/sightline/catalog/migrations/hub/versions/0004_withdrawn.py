"""Let instances of the hub be withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    """Bring the schema to this version."""
    withdrawn = sa.Column("withdrawn", sa.String(), nullable=False, server_default="")
    op.add_column("instance", withdrawn)


def downgrade() -> None:
    """Bring the schema back."""
    with op.batch_alter_table("instance") as batch_op:
        batch_op.drop_column("withdrawn")
