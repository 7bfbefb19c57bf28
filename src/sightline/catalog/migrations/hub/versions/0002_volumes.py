"""Let a series be several volumes, each named."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the schema to this version; what was one volume stays one."""
    op.create_table(
        "volume",
        sa.Column("series_uid", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["series_uid"], ["series.uid"]),
        sa.PrimaryKeyConstraint("series_uid", "number"),
    )
    with op.batch_alter_table("volume", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_volume_digest"), ["digest"], unique=False)
    op.execute(
        "INSERT INTO volume (series_uid, number, name, digest) "
        "SELECT uid, 1, '', volume_digest FROM series WHERE volume_digest <> ''"
    )
