"""Let an annotation be a statement: classes, a grade, numbers or places instead of a mask."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.add_column("annotation", sa.Column("target", sa.String(), nullable=False, server_default=""))
    op.add_column(
        "annotation", sa.Column("number", sa.Integer(), nullable=False, server_default="1")
    )
    op.add_column("annotation", sa.Column("statement", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Bring the schema back; statements are forgotten, their objects are kept."""
    op.execute("DELETE FROM annotation WHERE statement IS NOT NULL AND target != ''")
    op.drop_column("annotation", "statement")
    op.drop_column("annotation", "number")
    op.drop_column("annotation", "target")
