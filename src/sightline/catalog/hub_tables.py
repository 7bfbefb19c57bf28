"""Tables of the hub: pseudonymous subjects, what was learned from them, and lineage."""

import sqlalchemy as sa

from sightline.catalog.columns import LENGTH

METADATA = sa.MetaData()

STUDY = sa.Table(
    "study",
    METADATA,
    sa.Column("uid", sa.String, primary_key=True),
    sa.Column("subject_id", sa.String, nullable=False, index=True),
    sa.Column("study_date", sa.String, nullable=False),
    sa.Column("description", sa.String, nullable=False),
)

SERIES = sa.Table(
    "series",
    METADATA,
    sa.Column("uid", sa.String, primary_key=True),
    sa.Column("study_uid", sa.ForeignKey("study.uid"), nullable=False, index=True),
    sa.Column("subject_id", sa.String, nullable=False, index=True),
    sa.Column("modality", sa.String, nullable=False),
    sa.Column("description", sa.String, nullable=False),
    sa.Column("body_part", sa.String, nullable=False),
    sa.Column("manufacturer", sa.String, nullable=False),
    sa.Column("manufacturer_model", sa.String, nullable=False),
    # Empty unless the series is one volume; `not_volume` says why it, or a part of it, is none.
    sa.Column("volume_digest", sa.String, nullable=False),
    sa.Column("not_volume", sa.String, nullable=False),
)

VOLUME = sa.Table(
    "volume",
    METADATA,
    sa.Column("series_uid", sa.ForeignKey("series.uid"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # What sets it apart from the other volumes of its series; empty where it is the only one.
    sa.Column("name", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False, index=True),
)

INSTANCE = sa.Table(
    "instance",
    METADATA,
    sa.Column("uid", sa.String, primary_key=True),
    sa.Column("series_uid", sa.ForeignKey("series.uid"), nullable=False, index=True),
    sa.Column("sop_class_uid", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("size_bytes", LENGTH, nullable=False),
    # Why it no longer counts, such as 113037; versions made before keep their volumes.
    sa.Column("withdrawn", sa.String, nullable=False, server_default=""),
)

CERTIFICATE = sa.Table(
    "certificate",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_uid", sa.ForeignKey("study.uid"), nullable=False, index=True),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)

ANNOTATION = sa.Table(
    "annotation",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("series_uid", sa.ForeignKey("series.uid"), nullable=False, index=True),
    # None where it was made in the hub of others, which lineage names.
    sa.Column("instance_uid", sa.ForeignKey("instance.uid"), unique=True),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("classes", sa.JSON, nullable=False),
    # Empty where it draws nothing.
    sa.Column("mask_digest", sa.String, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
    # A statement says what it is about, and of its author's statements on it the last counts.
    sa.Column("target", sa.String, nullable=False, server_default=""),
    sa.Column("number", sa.Integer, nullable=False, server_default="1"),
    sa.Column("statement", sa.JSON),
)

ADJUDICATION = sa.Table(
    "adjudication",
    METADATA,
    sa.Column("annotation_id", sa.ForeignKey("annotation.id"), primary_key=True),
    sa.Column("superseded_id", sa.ForeignKey("annotation.id"), primary_key=True),
    sa.Column("decided_by", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)

COLLECTION_VERSION = sa.Table(
    "collection_version",
    METADATA,
    sa.Column("lineage_id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
    sa.Column("test_evaluations", sa.Integer, nullable=False),
    sa.UniqueConstraint("name", "version"),
)

COLLECTION_MEMBER = sa.Table(
    "collection_member",
    METADATA,
    sa.Column("version_id", sa.ForeignKey("collection_version.lineage_id"), primary_key=True),
    sa.Column("series_uid", sa.ForeignKey("series.uid"), primary_key=True),
    sa.Column("subject_id", sa.String, nullable=False, index=True),
    sa.Column("volume_digest", sa.String, nullable=False),
    sa.Column("annotation_id", sa.ForeignKey("annotation.id")),
    sa.Column("annotation_digest", sa.String),
    sa.Column("split", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    # In the order of the names that the series had before the key was rotated.
    sa.Column("place", sa.Integer),
)

RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("lineage_id", sa.String, primary_key=True),
    sa.Column("recipe", sa.String, nullable=False),
    sa.Column("collection", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
    sa.Column("finished_at", sa.String, nullable=False),
)

MODEL = sa.Table(
    "model",
    METADATA,
    sa.Column("lineage_id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("run_id", sa.ForeignKey("run.lineage_id"), nullable=False),
    sa.Column("weights_digest", sa.String, nullable=False),
    sa.Column("manifest", sa.JSON, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("created_at", sa.String, nullable=False),
    sa.UniqueConstraint("name", "version"),
)

TRIAL = sa.Table(
    "trial",
    METADATA,
    sa.Column("model_id", sa.ForeignKey("model.lineage_id"), primary_key=True),
    # Device, processor and the versions of what runs on them.
    sa.Column("machine", sa.String, primary_key=True),
    sa.Column("back_end", sa.String, primary_key=True),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)

FAMILIAR = sa.Table(
    "familiar",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("model.lineage_id"), nullable=False, index=True),
    sa.Column("version_id", sa.ForeignKey("collection_version.lineage_id"), nullable=False),
    # An object of the hub; of several of a model the newest counts.
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)

EVALUATION = sa.Table(
    "evaluation",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("model.lineage_id"), nullable=False, index=True),
    sa.Column("version_id", sa.ForeignKey("collection_version.lineage_id"), nullable=False),
    sa.Column("split", sa.String, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)

PREDICTION = sa.Table(
    "prediction",
    METADATA,
    sa.Column("lineage_id", sa.String, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("model.lineage_id"), nullable=False),
    sa.Column(
        "version_id",
        sa.ForeignKey("collection_version.lineage_id"),
        nullable=False,
        index=True,
    ),
    sa.Column("series_uid", sa.ForeignKey("series.uid"), nullable=False, index=True),
    sa.Column("split", sa.String, nullable=False),
    # What it was applied to, and what it drew there; None where it draws nothing.
    sa.Column("volume_digest", sa.String, nullable=False),
    sa.Column("mask_digest", sa.String),
    sa.Column("finding", sa.JSON, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
    sa.UniqueConstraint("model_id", "version_id", "series_uid"),
)

RELEASE = sa.Table(
    "release",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("model.lineage_id"), nullable=False, index=True),
    sa.Column("from_state", sa.String, nullable=False),
    sa.Column("to_state", sa.String, nullable=False),
    sa.Column("approver", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("checks", sa.JSON),
)

PUBLISHER = sa.Table(
    "publisher",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("public_key", sa.String, nullable=False),
    sa.Column("trusted_by", sa.String, nullable=False),
    sa.Column("trusted_at", sa.String, nullable=False),
)

NODE = sa.Table(
    "lineage_node",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False, index=True),
    sa.Column("name", sa.String, nullable=False, index=True),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)

EDGE = sa.Table(
    "lineage_edge",
    METADATA,
    sa.Column("child", sa.ForeignKey("lineage_node.id"), primary_key=True),
    sa.Column("parent", sa.ForeignKey("lineage_node.id"), primary_key=True, index=True),
)
