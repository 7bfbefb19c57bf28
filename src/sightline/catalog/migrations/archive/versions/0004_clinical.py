"""Add the audit log, merges and rejections, and what other systems say of patients."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Bring the schema to this version."""
    op.create_table(
        "audit_entry",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("objects", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    # Columns that may be empty, or have a constant default, are added without copying a table.
    for name in ("merged_into", "survivor"):
        _add_reference("patient", name)
    op.create_index("ix_patient_survivor", "patient", ["survivor"])
    _add_reference("study", "sent_patient")
    op.create_index("ix_study_sent_patient", "study", ["sent_patient"])
    op.execute("UPDATE study SET sent_patient = patient")
    is_rejected: sa.Column[bool] = sa.Column(
        "is_rejected", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("study", is_rejected)
    op.drop_index("ix_study_searched", "study")
    searched = ["study_date", "study_time", "uid", "modalities", "patient"]
    op.create_index("ix_study_searched", "study", [*searched, "is_rejected"])
    op.add_column("instance", sa.Column("rejected", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "rejection",
        sa.Column("instance_uid", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("note_uid", sa.String(), nullable=False),
        sa.Column("rejected_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("instance_uid"),
    )
    op.create_index("ix_rejection_study_uid", "rejection", ["study_uid"])
    _make_clinical_tables()


def downgrade() -> None:
    """Bring the schema back."""
    for table in ("clinical_tie", "clinical_record", "clinical_message", "rejection"):
        op.drop_table(table)
    op.drop_index("ix_study_searched", "study")
    searched = ["study_date", "study_time", "uid", "modalities", "patient"]
    op.create_index("ix_study_searched", "study", searched)
    op.drop_index("ix_study_sent_patient", "study")
    op.drop_index("ix_patient_survivor", "patient")
    with op.batch_alter_table("instance") as batch_op:
        batch_op.drop_column("rejected")
    with op.batch_alter_table("study") as batch_op:
        batch_op.drop_column("is_rejected")
        batch_op.drop_column("sent_patient")
    with op.batch_alter_table("patient") as batch_op:
        batch_op.drop_column("survivor")
        batch_op.drop_column("merged_into")
    op.drop_table("audit_entry")


def _add_reference(table: str, name: str) -> None:
    # Both databases know this; Alembic would copy the whole table on SQLite.
    op.execute(f"ALTER TABLE {table} ADD COLUMN {name} INTEGER REFERENCES patient (id)")


def _make_clinical_tables() -> None:
    op.create_table(
        "clinical_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("control_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("digest", "control_id"):
        op.create_index(f"ix_clinical_message_{column}", "clinical_message", [column])
    op.create_table(
        "clinical_record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("patient", sa.Integer(), sa.ForeignKey("patient.id"), nullable=True),
        sa.Column("accession_number", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("date", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("message", sa.Integer(), sa.ForeignKey("clinical_message.id"), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("waiting", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sender", "kind", "source_key"),
    )
    for column in ("patient", "accession_number", "study_uid", "waiting"):
        op.create_index(f"ix_clinical_record_{column}", "clinical_record", [column])
    op.create_table(
        "clinical_tie",
        sa.Column("record", sa.Integer(), sa.ForeignKey("clinical_record.id"), nullable=False),
        sa.Column("study_uid", sa.String(), sa.ForeignKey("study.uid"), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("record", "study_uid"),
    )
    op.create_index("ix_clinical_tie_study_uid", "clinical_tie", ["study_uid"])
