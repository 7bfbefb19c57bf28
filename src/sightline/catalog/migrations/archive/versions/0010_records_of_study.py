"""Remember which studies have orders, reports or values that the door has not seen."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Bring the schema to this version; what is tied already has not been seen."""
    op.create_table(
        "records_of_study",
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("started_revision", sa.Integer(), nullable=False),
        sa.Column("door_revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["study_uid"], ["study.uid"]),
        sa.PrimaryKeyConstraint("study_uid"),
    )
    is_new = sa.text("started_revision < revision")
    op.create_index(
        "ix_records_not_started",
        "records_of_study",
        ["study_uid"],
        sqlite_where=is_new,
        postgresql_where=is_new,
    )
    op.execute("INSERT INTO records_of_study SELECT DISTINCT study_uid, 1, 0, 0 FROM clinical_tie")


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_table("records_of_study")
