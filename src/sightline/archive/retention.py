"""Which studies may go, by rules a site can read, and letting them go in a safe order."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import sqlalchemy as sa
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.pixels import remove_object
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import (
    ANNOUNCEMENT,
    CLINICAL_RECORD,
    CLINICAL_TIE,
    HOLDING,
    INSTANCE,
    METADATA,
    OUTBOX,
    PATIENT,
    PREDICTION,
    SERIES,
    SHADOW,
    STUDY,
)
from sightline.errors import BadSettings
from sightline.values.identity import Digest, StudyUid

_log = log.get("archive")
_DAY_S = 24 * 3600.0
_GIGABYTE = 1e9
_STUDY_GONE = "its study was let go by the retention rules"


class Rule(BaseModel):
    """Studies that may go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    older_than_days: Annotated[float, Field(gt=0)]
    modalities: frozenset[str] = frozenset()
    only_below_free_gb: Annotated[float, Field(gt=0)] | None = None


class Keep(BaseModel):
    """Studies that stay whatever the rules say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    with_results: bool = True
    in_collections: bool = True
    in_quarantine: bool = True


class Rules(BaseModel):
    """The retention rules of a site."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    rules: tuple[Rule, ...]
    keep: Keep = Keep()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the rules from a YAML file.

        Raises:
            BadSettings: The file is missing or does not validate.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise BadSettings(
                f"there are no retention rules at {path}",
                hint="Nothing is ever removed without them; docs/how-to/retention.md shows some.",
            ) from error
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise BadSettings(
                f"the retention rules at {path} cannot be read: {_first_line(error)}",
                hint="docs/how-to/retention.md shows every line they may have.",
            ) from error


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A study that a rule lets go.

    Attributes:
        kept_because: why it stays all the same; empty where it may go.
    """

    study_uid: StudyUid
    rule: str
    instances: int
    size_bytes: int
    last_received_at: float
    only_below_free_bytes: float | None
    kept_because: str


def due(
    archive: Archive, rules: Rules, *, is_in_collection: Callable[[StudyUid], bool]
) -> list[Due]:
    """List the studies that a rule lets go, oldest first.

    Args:
        archive: the store.
        rules: of the site.
        is_in_collection: tells whether something was or may be learned from a study.
    """
    now = clock.timestamp()
    with archive.database.read() as connection:
        rows = connection.execute(_facts().order_by(STUDY.c.last_received_at)).all()
        modalities = _modalities(connection)
        with_results = set(connection.execute(_with_results()).scalars())
        in_quarantine = set(connection.execute(sa.select(HOLDING.c.study_uid)).scalars())
    found = []
    for row in rows:
        age_days = (now - row.last_received_at) / _DAY_S
        rule = _rule(rules, age_days, modalities.get(row.uid, set()))
        if rule is None:
            continue
        reasons = (
            ("it is not complete", row.completed_revision != row.revision),
            ("it has results", rules.keep.with_results and row.uid in with_results),
            ("it is in quarantine", rules.keep.in_quarantine and row.uid in in_quarantine),
            (
                "it is in a collection",
                rules.keep.in_collections and is_in_collection(StudyUid(row.uid)),
            ),
        )
        found.append(
            Due(
                study_uid=StudyUid(row.uid),
                rule=rule.name,
                instances=row.instances,
                size_bytes=row.size_bytes,
                last_received_at=row.last_received_at,
                only_below_free_bytes=rule.only_below_free_gb
                and rule.only_below_free_gb * _GIGABYTE,
                kept_because=next((words for words, holds in reasons if holds), ""),
            )
        )
    return found


def retire(archive: Archive, study: Due) -> None:
    """Remove a study: first its rows, in one transaction, then the objects nobody needs.

    A crash between the two leaves objects without rows, which `sightline verify` lists and
    removes.

    Raises:
        OSError: The catalog or the store cannot be written.
    """
    with archive.database.write() as connection:
        digests = _digests(connection, study.study_uid)
        patient = connection.execute(
            sa.select(STUDY.c.patient).where(STUDY.c.uid == study.study_uid)
        ).scalar()
        ties = sa.select(CLINICAL_TIE.c.record).where(CLINICAL_TIE.c.study_uid == study.study_uid)
        records = connection.execute(ties).scalars().all()
        _delete(connection, STUDY, STUDY.c.uid == study.study_uid)
        _untie(connection, records)
        for table in (HOLDING, ANNOUNCEMENT):  # no keys lead to them
            connection.execute(table.delete().where(table.c.study_uid == study.study_uid))
        connection.execute(PATIENT.delete().where(PATIENT.c.id == patient, *_is_unused(PATIENT)))
        reason = f"rule {study.rule}, {study.instances} instances"
        objects = (f"study:{study.study_uid}",)
        append(
            connection,
            Event(actor="retention", action="study_retired", objects=objects, reason=reason),
        )
    for digest in sorted(digests):
        remove_object(archive, digest)
    _log.info("study_retired", study=study.study_uid, rule=study.rule, instances=study.instances)


def _untie(connection: sa.Connection, records: Sequence[int]) -> None:
    """Let orders, reports and values wait in sight whose last study went."""
    connection.execute(
        CLINICAL_RECORD.update()
        .where(
            CLINICAL_RECORD.c.id.in_(records),
            CLINICAL_RECORD.c.id.not_in(sa.select(CLINICAL_TIE.c.record)),
        )
        .values(waiting=_STUDY_GONE)
    )


def _delete(connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]) -> None:
    """Delete rows, and before them the rows that refer to them; those that need not are untied."""
    for other in METADATA.sorted_tables:
        for column in other.columns:
            for key in column.foreign_keys:
                if key.column.table is not table:
                    continue
                refers = column.in_(sa.select(key.column).where(which))
                if column.nullable:
                    connection.execute(other.update().where(refers).values({column: None}))
                else:
                    _delete(connection, other, refers)
    connection.execute(table.delete().where(which))


def _is_unused(table: sa.Table) -> list[sa.ColumnElement[bool]]:
    """Tell, in SQL, that no row of any table refers to a row."""
    return [
        key.column.not_in(sa.select(column).where(column.is_not(None)))
        for other in METADATA.sorted_tables
        for column in other.columns
        for key in column.foreign_keys
        if key.column.table is table
    ]


def _digests(connection: sa.Connection, study_uid: str) -> set[Digest]:
    columns = (
        (INSTANCE.c.digest, INSTANCE.c.study_uid),
        (HOLDING.c.digest, HOLDING.c.study_uid),
        (PREDICTION.c.picture_digest, PREDICTION.c.study_uid),
        (SHADOW.c.seg_digest, SHADOW.c.study_uid),
    )
    return {
        Digest(digest)
        for column, owner in columns
        for digest in connection.execute(sa.select(column).where(owner == study_uid)).scalars()
        if digest
    }


def _facts() -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(
            STUDY.c.uid,
            STUDY.c.revision,
            STUDY.c.completed_revision,
            STUDY.c.last_received_at,
            sa.func.count(INSTANCE.c.uid).label("instances"),
            sa.func.coalesce(sa.func.sum(INSTANCE.c.size_bytes), 0).label("size_bytes"),
        )
        .outerjoin(INSTANCE, INSTANCE.c.study_uid == STUDY.c.uid)
        .group_by(STUDY.c.uid)
    )


def _modalities(connection: sa.Connection) -> dict[str, set[str]]:
    """The modalities that came from outside, by study."""
    rows = connection.execute(
        sa.select(SERIES.c.study_uid, SERIES.c.modality)
        .join(INSTANCE, INSTANCE.c.series_uid == SERIES.c.uid)
        .where(INSTANCE.c.lineage_id.is_(None))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for study_uid, modality in rows:
        found.setdefault(study_uid, set()).add(modality)
    return found


def _with_results() -> sa.Select[tuple[str]]:
    waiting = (
        sa.select(INSTANCE.c.study_uid)
        .join(OUTBOX, OUTBOX.c.instance_uid == INSTANCE.c.uid)
        .where(OUTBOX.c.state == "waiting")
    )
    return sa.select(PREDICTION.c.study_uid).union(waiting)  # type: ignore[return-value]  # a compound select reads the same


def _rule(rules: Rules, age_days: float, modalities: set[str]) -> Rule | None:
    return next(
        (
            rule
            for rule in rules.rules
            if age_days > rule.older_than_days
            and (not rule.modalities or (modalities and modalities <= rule.modalities))
        ),
        None,
    )


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[:2])
