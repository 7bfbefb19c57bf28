"""Tables of the archive: identified patients, studies, results and what waits to be sent."""

from typing import Any

import sqlalchemy as sa

from sightline.catalog.columns import LENGTH
from sightline.values.names import name_key

METADATA = sa.MetaData()


def _name_key(context: Any) -> str:  # noqa: ANN401 - SQLAlchemy gives it no public type
    return name_key(context.get_current_parameters()["name"])


PATIENT = sa.Table(
    "patient",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("patient_id", sa.String, nullable=False),
    sa.Column("issuer", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    # The form in which names are searched. Whoever changes a name sets it, too.
    sa.Column("name_key", sa.String, nullable=False, default=_name_key, index=True),
    sa.Column("birth_date", sa.String, nullable=False),
    sa.Column("sex", sa.String, nullable=False),
    # What merge messages said: this identity is the same person as that one.
    sa.Column("merged_into", sa.ForeignKey("patient.id")),
    # Where that leads in the end; empty where this identity stands for itself.
    sa.Column("survivor", sa.ForeignKey("patient.id"), index=True),
    sa.UniqueConstraint("patient_id", "issuer"),
)

STUDY = sa.Table(
    "study",
    METADATA,
    sa.Column("uid", sa.String, primary_key=True),
    # Whose it is now, after merges; `sent_patient` is whose it was when it came.
    sa.Column("patient", sa.ForeignKey("patient.id"), nullable=False, index=True),
    sa.Column("sent_patient", sa.ForeignKey("patient.id"), index=True),
    sa.Column("study_date", sa.String, nullable=False),
    sa.Column("study_time", sa.String, nullable=False),
    sa.Column("accession_number", sa.String, nullable=False, index=True),
    sa.Column("description", sa.String, nullable=False),
    # None where an older Sightline took the study in.
    sa.Column("study_id", sa.String),
    sa.Column("referring_physician", sa.String),
    # Of its series, each between bars: |CT|SEG|. A search reads it for thousands of studies.
    sa.Column("modalities", sa.String, nullable=False, default="|"),
    sa.Column("first_received_at", sa.Float, nullable=False),
    sa.Column("last_received_at", sa.Float, nullable=False),
    # What came in counts up to `revision`; the jobs of a revision start when it is complete.
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("completed_revision", sa.Integer, nullable=False, index=True),
    sa.Column("completed_at", sa.Float),
    sa.Column("complete_because", sa.String, nullable=False),
    sa.Column("started_revision", sa.Integer, nullable=False, index=True),
    sa.Column("door", sa.String, nullable=False),
    sa.Column("door_revision", sa.Integer, nullable=False),
    # Whether all that came from outside was rejected by the PACS: it is kept, and not shown.
    sa.Column("is_rejected", sa.Boolean, nullable=False, server_default=sa.false()),
    # Holds all that a search of studies sorts and filters by, in the order of its answer.
    sa.Index(
        "ix_study_searched",
        *("study_date", "study_time", "uid", "modalities", "patient", "is_rejected"),
    ),
)

SERIES = sa.Table(
    "series",
    METADATA,
    sa.Column("uid", sa.String, primary_key=True),
    sa.Column("study_uid", sa.ForeignKey("study.uid"), nullable=False, index=True),
    sa.Column("modality", sa.String, nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("description", sa.String, nullable=False),
    sa.Column("body_part", sa.String, nullable=False),
    sa.Column("manufacturer", sa.String, nullable=False),
    sa.Column("manufacturer_model", sa.String, nullable=False),
    sa.Index("ix_series_of_modality", "modality", "study_uid"),
)

ASSOCIATION = sa.Table(
    "association",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("calling_ae", sa.String, nullable=False),
    sa.Column("address", sa.String, nullable=False),
    sa.Column("opened_at", sa.Float, nullable=False),
    sa.Column("closed_at", sa.Float, index=True),
    sa.Column("ended", sa.String, nullable=False),
    # Which process has it; what one that died left open is closed by this.
    sa.Column("receiver", sa.Integer, nullable=False, server_default="0"),
)

INSTANCE = sa.Table(
    "instance",
    METADATA,
    sa.Column("uid", sa.String, primary_key=True),
    sa.Column("series_uid", sa.ForeignKey("series.uid"), nullable=False, index=True),
    sa.Column("study_uid", sa.ForeignKey("study.uid"), nullable=False, index=True),
    sa.Column("sop_class_uid", sa.String, nullable=False),
    sa.Column("transfer_syntax_uid", sa.String, nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("rows", sa.Integer),
    sa.Column("columns", sa.Integer),
    sa.Column("frames", sa.Integer),
    sa.Column("digest", sa.String, nullable=False, index=True),
    sa.Column("size_bytes", LENGTH, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("association", sa.ForeignKey("association.id"), index=True),
    sa.Column("lineage_id", sa.String, index=True),
    # Why a PACS rejected it, such as 113037; empty for nearly all.
    sa.Column("rejected", sa.String, nullable=False, server_default=""),
)

REJECTION = sa.Table(
    "rejection",
    METADATA,
    # Named by the note, whether it is here or still to come.
    sa.Column("instance_uid", sa.String, primary_key=True),
    sa.Column("study_uid", sa.String, nullable=False, index=True),
    sa.Column("code", sa.String, nullable=False),
    sa.Column("note_uid", sa.String, nullable=False),
    sa.Column("rejected_at", sa.Float, nullable=False),
)

# What a PACS said that it has of a study: evidence of when that is complete.
ANNOUNCEMENT = sa.Table(
    "announcement",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_uid", sa.String, nullable=False),
    sa.Column("announcer", sa.String, nullable=False),
    sa.Column("announced_at", sa.Float, nullable=False, index=True),
    # By UID, whether it can be retrieved.
    sa.Column("instances", sa.JSON, nullable=False),
    sa.Index("ix_announcement_of_study", "study_uid", "announced_at"),
)

# Requests for storage commitment whose report is still to be told.
COMMITMENT = sa.Table(
    "commitment",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("transaction_uid", sa.String, nullable=False),
    # SOP class and instance UID of each.
    sa.Column("references", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", sa.Float, nullable=False, index=True),
)

# The objects that are kept whole and whose pixels others may borrow.
PIXELS = sa.Table(
    "pixels",
    METADATA,
    sa.Column("digest", sa.String, primary_key=True),
    # Tells pixels that may be the same; bytes are compared before anything is borrowed.
    sa.Column("key", sa.String, nullable=False, index=True),
    sa.Column("start", LENGTH, nullable=False),
    sa.Column("length", LENGTH, nullable=False),
)

# The objects that are kept split, and whose pixels they borrow.
LOAN = sa.Table(
    "loan",
    METADATA,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("holder", sa.ForeignKey("pixels.digest"), nullable=False, index=True),
)

HOLDING = sa.Table(
    "holding",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_uid", sa.String, nullable=False, index=True),
    sa.Column("series_uid", sa.String, nullable=False),
    sa.Column("instance_uid", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("detail", sa.String, nullable=False),
    sa.Column("held_at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True, server_default="held"),
    sa.UniqueConstraint("instance_uid", "digest", "reason"),
)


def _of_a_prediction() -> tuple[sa.Column[Any], ...]:
    """Make the columns that any prediction has, published or not."""
    return (
        sa.Column("lineage_id", sa.String, primary_key=True),
        sa.Column("study_uid", sa.ForeignKey("study.uid"), nullable=False, index=True),
        sa.Column("series_uid", sa.ForeignKey("series.uid"), nullable=False),
        sa.Column("series_digest", sa.String, nullable=False),
        sa.Column("model_id", sa.String, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("problem", sa.String, nullable=False),
    )


PREDICTION = sa.Table(
    "prediction",
    METADATA,
    *_of_a_prediction(),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("words", sa.String, nullable=False),
    sa.Column("finding", sa.JSON),
    sa.Column("picture_digest", sa.String, nullable=False),
    sa.Column("making", sa.JSON),
    sa.Column("finished_at", sa.Float),
    sa.UniqueConstraint("series_uid", "series_digest", "model_id"),
)

# Apart from what is published, so that nothing that shows or sends results can meet it.
SHADOW = sa.Table(
    "shadow_prediction",
    METADATA,
    *_of_a_prediction(),
    sa.Column("finding", sa.JSON),
    sa.Column("seg_digest", sa.String, nullable=False),
    sa.Column("making", sa.JSON),
    sa.Column("beside", sa.JSON),
    sa.UniqueConstraint("series_uid", "series_digest", "model_id"),
    sa.Index("ix_shadow_prediction_model_id", "model_id"),
)


def _of_a_delivery() -> tuple[sa.Column[Any], ...]:
    """Make the columns of whatever is sent until its destination has it."""
    return (
        sa.Column("destination", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.Float, nullable=False),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("delivered_at", sa.Float),
    )


OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("instance_uid", sa.ForeignKey("instance.uid"), nullable=False),
    *_of_a_delivery(),
    sa.UniqueConstraint("instance_uid", "destination"),
)

# What other systems are to be told of a prediction; written anew for each attempt.
OUTGOING_MESSAGE = sa.Table(
    "outgoing_message",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lineage_id", sa.ForeignKey("prediction.lineage_id"), nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    *_of_a_delivery(),
    sa.UniqueConstraint("lineage_id", "kind", "destination"),
)

# Time-critical findings, told of until somebody acknowledges.
ALERT = sa.Table(
    "alert",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lineage_id", sa.ForeignKey("prediction.lineage_id"), nullable=False, unique=True),
    sa.Column("raised_at", sa.Float, nullable=False),
    # When others are told, too.
    sa.Column("escalates_at", sa.Float, nullable=False),
    sa.Column("is_escalated", sa.Boolean, nullable=False),
    sa.Column("next_notice_at", sa.Float, nullable=False),
    sa.Column("notices", sa.Integer, nullable=False),
    sa.Column("problem", sa.String, nullable=False),
    # Empty while it is open; then `acknowledged` or `withdrawn`.
    sa.Column("closed", sa.String, nullable=False, index=True),
    sa.Column("closed_at", sa.Float),
    sa.Column("closed_by", sa.String, nullable=False),
    sa.Column("note", sa.String, nullable=False),
)

# Written once, never changed: what a person did to what the archive holds, and why.
AUDIT = sa.Table(
    "audit_entry",
    METADATA,
    # Counted by the writer: the chain has no gaps, as a database's own counter would leave.
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("objects", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
)

CLINICAL_MESSAGE = sa.Table(
    "clinical_message",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String, nullable=False, index=True),
    sa.Column("sender", sa.String, nullable=False),
    sa.Column("control_id", sa.String, nullable=False, index=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("problem", sa.String, nullable=False),
)

CLINICAL_RECORD = sa.Table(
    "clinical_record",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("sender", sa.String, nullable=False),
    sa.Column("source_key", sa.String, nullable=False),
    sa.Column("patient", sa.ForeignKey("patient.id"), index=True),
    sa.Column("accession_number", sa.String, nullable=False, index=True),
    sa.Column("study_uid", sa.String, nullable=False, index=True),
    sa.Column("date", sa.String, nullable=False),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("unit", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("message", sa.ForeignKey("clinical_message.id"), nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    # Why it is tied to no study; empty where it is tied.
    sa.Column("waiting", sa.String, nullable=False, index=True),
    sa.UniqueConstraint("sender", "kind", "source_key"),
)

CLINICAL_TIE = sa.Table(
    "clinical_tie",
    METADATA,
    sa.Column("record", sa.ForeignKey("clinical_record.id"), primary_key=True),
    sa.Column("study_uid", sa.ForeignKey("study.uid"), primary_key=True, index=True),
    sa.Column("rule", sa.String, nullable=False),
)

# How often what is tied to a study changed, and how far the door has followed.
RECORDS_OF_STUDY = sa.Table(
    "records_of_study",
    METADATA,
    sa.Column("study_uid", sa.ForeignKey("study.uid"), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("started_revision", sa.Integer, nullable=False),
    sa.Column("door_revision", sa.Integer, nullable=False),
    # The worker looks for these few several times a second.
    sa.Index(
        "ix_records_not_started",
        "study_uid",
        sqlite_where=sa.text("started_revision < revision"),
        postgresql_where=sa.text("started_revision < revision"),
    ),
)
