"""Know whose pixels are held, so that they are kept once; sizes beyond 2 GiB on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_LENGTH = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "pixels",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("start", _LENGTH, nullable=False),
        sa.Column("length", _LENGTH, nullable=False),
    )
    op.create_index("ix_pixels_key", "pixels", ["key"])
    op.create_table(
        "loan",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), sa.ForeignKey("pixels.digest"), nullable=False),
    )
    op.create_index("ix_loan_holder", "loan", ["holder"])
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("instance", "size_bytes", type_=sa.BigInteger())


def downgrade() -> None:
    """Bring the schema back."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("instance", "size_bytes", type_=sa.Integer())
    op.drop_table("loan")
    op.drop_table("pixels")
