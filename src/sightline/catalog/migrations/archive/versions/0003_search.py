"""Keep what searches of studies read beside what they sort by."""

import sqlalchemy as sa
from alembic import op

from sightline.values.names import name_key

revision = "0003"
down_revision = "0002"

_BATCH = 1000


def upgrade() -> None:
    """Bring the schema to this version."""
    op.add_column("patient", sa.Column("name_key", sa.String(), nullable=False, server_default=""))
    op.add_column("study", sa.Column("study_id", sa.String(), nullable=True))
    op.add_column("study", sa.Column("referring_physician", sa.String(), nullable=True))
    op.add_column("study", sa.Column("modalities", sa.String(), nullable=False, server_default="|"))
    _fill_names(op.get_bind())
    _fill_modalities(op.get_bind())
    op.create_index("ix_patient_name_key", "patient", ["name_key"])
    op.create_index(
        "ix_study_searched", "study", ["study_date", "study_time", "uid", "modalities", "patient"]
    )
    op.drop_index("ix_study_study_date", "study")


def downgrade() -> None:
    """Bring the schema back."""
    op.create_index("ix_study_study_date", "study", ["study_date"])
    op.drop_index("ix_study_searched", "study")
    op.drop_index("ix_patient_name_key", "patient")
    with op.batch_alter_table("study") as batch_op:
        batch_op.drop_column("modalities")
        batch_op.drop_column("referring_physician")
        batch_op.drop_column("study_id")
    with op.batch_alter_table("patient") as batch_op:
        batch_op.drop_column("name_key")


def _fill_names(connection: sa.Connection) -> None:
    fill = sa.text("UPDATE patient SET name_key = :key WHERE id = :id")
    rows = connection.execute(sa.text("SELECT id, name FROM patient")).all()
    keys = [{"id": row.id, "key": name_key(row.name)} for row in rows]
    for start in range(0, len(keys), _BATCH):
        connection.execute(fill, keys[start : start + _BATCH])


def _fill_modalities(connection: sa.Connection) -> None:
    fill = sa.text("UPDATE study SET modalities = :modalities WHERE uid = :uid")
    found: dict[str, str] = {}
    series = sa.text("SELECT DISTINCT study_uid, modality FROM series WHERE modality <> ''")
    for uid, modality in connection.execute(series).all():
        found[uid] = f"{found.get(uid, '|')}{modality}|"
    rows = [{"uid": uid, "modalities": modalities} for uid, modalities in found.items()]
    for start in range(0, len(rows), _BATCH):
        connection.execute(fill, rows[start : start + _BATCH])
