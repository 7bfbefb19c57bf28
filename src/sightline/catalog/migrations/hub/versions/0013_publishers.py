"""Publishers whose model packages the site takes."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Bring the schema to this version; nobody is trusted yet."""
    op.create_table(
        "publisher",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("trusted_by", sa.String(), nullable=False),
        sa.Column("trusted_at", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Bring the schema back; whom the site trusted is lost."""
    op.drop_table("publisher")
