"""Note which receiving process an association belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the schema to this version."""
    with op.batch_alter_table("association", schema=None) as batch_op:
        batch_op.add_column(sa.Column("receiver", sa.Integer(), server_default="0", nullable=False))
