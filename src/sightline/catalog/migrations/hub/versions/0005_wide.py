"""Count the bytes of instances beyond 2 GiB on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bring the schema to this version."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("instance", "size_bytes", type_=sa.BigInteger())


def downgrade() -> None:
    """Bring the schema back."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("instance", "size_bytes", type_=sa.Integer())
