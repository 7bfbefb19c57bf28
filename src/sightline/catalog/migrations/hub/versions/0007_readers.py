"""Let annotations be made in the hub, and some supersede others."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_COLUMNS = "id, series_uid, instance_uid, author, classes, mask_digest, created_at"


def upgrade() -> None:
    """Bring the schema to this version."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("annotation", "instance_uid", nullable=True)
    else:
        _make_anew(instance_is_needed=False)
    op.create_table(
        "adjudication",
        sa.Column("annotation_id", sa.String(), nullable=False),
        sa.Column("superseded_id", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["annotation_id"], ["annotation.id"]),
        sa.ForeignKeyConstraint(["superseded_id"], ["annotation.id"]),
        sa.PrimaryKeyConstraint("annotation_id", "superseded_id"),
    )


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_table("adjudication")
    op.execute("DELETE FROM annotation WHERE instance_uid IS NULL")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("annotation", "instance_uid", nullable=False)
    else:
        _make_anew(instance_is_needed=True)


def _make_anew(*, instance_is_needed: bool) -> None:
    """SQLite changes no column: the rows wait in another table while this one is made anew.

    Members of collections refer to them, which is checked when all is done. The table must have
    its name when the rows come back: SQLite counts a reference as mended then, not at a renaming.
    """
    op.execute("PRAGMA defer_foreign_keys=ON")
    op.execute(f"CREATE TABLE annotation_waiting AS SELECT {_COLUMNS} FROM annotation")  # noqa: S608 - our own names
    op.drop_table("annotation")
    op.create_table(
        "annotation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("series_uid", sa.String(), nullable=False),
        sa.Column("instance_uid", sa.String(), nullable=not instance_is_needed),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("mask_digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["instance_uid"], ["instance.uid"]),
        sa.ForeignKeyConstraint(["series_uid"], ["series.uid"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("instance_uid"),
    )
    op.create_index("ix_annotation_series_uid", "annotation", ["series_uid"])
    op.execute(f"INSERT INTO annotation ({_COLUMNS}) SELECT {_COLUMNS} FROM annotation_waiting")  # noqa: S608 - our own names
    op.drop_table("annotation_waiting")
