"""The reading list, and all that is known of one study on it."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.results import predictions_of_study
from sightline.archive.search import (
    IS_SHOWN,
    FoundSeries,
    FoundStudy,
    Window,
    search_series,
    search_studies,
)
from sightline.archive.search_keys import Keys
from sightline.catalog.archive_tables import INSTANCE, OUTBOX, PATIENT, PREDICTION, SERIES, STUDY
from sightline.errors import UnknownName
from sightline.values.arrival import Holding
from sightline.values.identity import InstanceUid, LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Prediction

StudyState: TypeAlias = Literal["receiving", "complete", "predicted", "failed", "held"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WorklistEntry:
    """One study on the list.

    Attributes:
        state: the furthest it came: `failed` where a prediction failed, `held` where the door
            keeps it from the hub and nothing was predicted.
        is_held: the door keeps the study or a part of it, whatever the state.
        priority: 0 routine, 1 soon, 2 urgent; None where no model has seen it.
        words: what the models found, most urgent first.
        modalities: of what came from outside, in alphabetical order.
        images: how many objects came from outside.
        waiting_since: when its first instance came; seconds since the epoch.
    """

    study: FoundStudy
    state: StudyState
    is_held: bool
    priority: int | None
    words: tuple[str, ...]
    modalities: tuple[str, ...]
    images: int
    waiting_since: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Worklist:
    """The first entries in reading order, and how many there are."""

    entries: tuple[WorklistEntry, ...]
    total: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """One result on its way to one destination.

    Attributes:
        state: `waiting`, `delivered` or `failed`.
        problem: of the last attempt; empty where there was none.
        delivered_at: seconds since the epoch.
    """

    destination: str
    state: str
    attempts: int
    problem: str
    delivered_at: float | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResultObject:
    """One object of a study that we published.

    Attributes:
        kind: DICOM modality, such as SEG.
    """

    uid: InstanceUid
    series_uid: SeriesUid
    kind: str
    lineage_id: LineageId
    sendings: tuple[Sending, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StudyOverview:
    """What the study page shows.

    Attributes:
        completed_at: seconds since the epoch; None while it is being received.
        complete_because: why it counts as complete.
        door: how the door to the hub answered; empty before it did.
        series: what came from outside and what we published, by number.
    """

    entry: WorklistEntry
    completed_at: float | None
    complete_because: str
    door: str
    series: tuple[FoundSeries, ...]
    predictions: tuple[Prediction, ...]
    results: tuple[ResultObject, ...]
    holdings: tuple[Holding, ...]


def worklist(archive: Archive, *, since: float, words: str = "", limit: int = 200) -> Worklist:
    """List studies in reading order: the most urgent first, then who waits longest.

    Args:
        archive: the identified store.
        since: leave out what came before; seconds since the epoch.
        words: each of them stands in the patient, the study or a finding; case is ignored.
        limit: how many entries to return.
    """
    query = (
        sa.select(STUDY, PATIENT.c.patient_id, PATIENT.c.name)
        .join(PATIENT, STUDY.c.patient == PATIENT.c.id)
        .where(STUDY.c.first_received_at >= since, STUDY.c.is_rejected.is_(sa.false()))
    )
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
        predictions = _predictions(connection, STUDY.c.first_received_at >= since)
    chosen = [
        row for row in rows if _holds_words(row, predictions.get(row.uid, []), words.casefold())
    ]
    chosen.sort(key=lambda row: _reading_order(row, predictions.get(row.uid, [])))
    entries = _entries(archive, chosen[:limit], predictions)
    return Worklist(entries=entries, total=len(chosen))


def overview(archive: Archive, study_uid: StudyUid) -> StudyOverview:
    """Return all that is known of one study.

    Raises:
        UnknownName: There is no such study.
    """
    with archive.database.read() as connection:
        row = connection.execute(sa.select(STUDY).where(STUDY.c.uid == study_uid)).first()
        predictions = _predictions(connection, STUDY.c.uid == study_uid)
        results = _results(connection, study_uid)
    if row is None or row.is_rejected:
        raise UnknownName(
            f"the archive has no study {study_uid}",
            hint="The worklist shows what is there; `sightline clinical rejected` lists what the "
            "PACS took back.",
        )
    keys = Keys(study_uids=(study_uid,))
    return StudyOverview(
        entry=_entries(archive, [row], predictions)[0],
        completed_at=row.completed_at,
        complete_because=row.complete_because,
        door=row.door,
        series=search_series(archive, keys, Window()).found,
        predictions=tuple(predictions_of_study(archive, study_uid)),
        results=results,
        holdings=tuple(holdings(archive, study_uid=study_uid)),
    )


def is_picture(archive: Archive, digest: str) -> bool:
    """Tell whether an object of the archive is the picture of a prediction."""
    with archive.database.read() as connection:
        query = sa.select(PREDICTION.c.lineage_id).where(PREDICTION.c.picture_digest == digest)
        return bool(digest) and connection.execute(query.limit(1)).first() is not None


def _predictions(
    connection: sa.Connection, condition: sa.ColumnElement[bool]
) -> dict[str, list[sa.Row[Any]]]:
    """Return the newest prediction of each series and model, by study, most urgent first."""
    query: sa.Select[Any] = (
        sa.select(
            PREDICTION.c.study_uid,
            PREDICTION.c.series_uid,
            PREDICTION.c.model_id,
            PREDICTION.c.state,
            PREDICTION.c.priority,
            PREDICTION.c.words,
        )
        .join(STUDY, PREDICTION.c.study_uid == STUDY.c.uid)
        .where(
            condition,
            sa.exists().where(INSTANCE.c.series_uid == PREDICTION.c.series_uid, IS_SHOWN),
        )
        .order_by(PREDICTION.c.created_at, sa.func.coalesce(PREDICTION.c.finished_at, 0.0))
    )
    newest = {(row.series_uid, row.model_id): row for row in connection.execute(query)}
    by_study: dict[str, list[sa.Row[Any]]] = {}
    for row in sorted(newest.values(), key=lambda row: -row.priority):
        by_study.setdefault(row.study_uid, []).append(row)
    return by_study


def _results(connection: sa.Connection, study_uid: StudyUid) -> tuple[ResultObject, ...]:
    rows = connection.execute(
        sa.select(INSTANCE, SERIES.c.modality)
        .join(SERIES, INSTANCE.c.series_uid == SERIES.c.uid)
        .where(INSTANCE.c.study_uid == study_uid, INSTANCE.c.lineage_id.is_not(None), IS_SHOWN)
        .order_by(SERIES.c.number, INSTANCE.c.uid)
    ).all()
    sent = connection.execute(
        sa.select(OUTBOX)
        .join(INSTANCE, OUTBOX.c.instance_uid == INSTANCE.c.uid)
        .where(INSTANCE.c.study_uid == study_uid)
        .order_by(OUTBOX.c.id)
    ).all()
    return tuple(
        ResultObject(
            uid=InstanceUid(row.uid),
            series_uid=SeriesUid(row.series_uid),
            kind=row.modality,
            lineage_id=LineageId(row.lineage_id),
            sendings=tuple(_sending(each) for each in sent if each.instance_uid == row.uid),
        )
        for row in rows
    )


def _sending(row: sa.Row[Any]) -> Sending:
    return Sending(
        destination=row.destination,
        state=row.state,
        attempts=row.attempts,
        problem=row.problem,
        delivered_at=row.delivered_at,
    )


def _entries(
    archive: Archive, rows: Sequence[sa.Row[Any]], predictions: dict[str, list[sa.Row[Any]]]
) -> tuple[WorklistEntry, ...]:
    uids = tuple(row.uid for row in rows)
    if not uids:
        return ()
    found = search_studies(archive, Keys(study_uids=uids), Window()).found
    studies = {study.uid: study for study in found}
    received = _received(archive, uids)
    return tuple(
        _entry(
            row,
            studies[row.uid],
            predictions=predictions.get(row.uid, []),
            received=received.get(row.uid, {}),
        )
        for row in rows
        if row.uid in studies
    )


def _received(archive: Archive, study_uids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count what came from outside, by study and modality; a series of ours holds only ours."""
    of_series = sa.and_(INSTANCE.c.series_uid == SERIES.c.uid, IS_SHOWN)
    # Counting without looking at each row keeps a list of large studies quick.
    count = sa.select(sa.func.count()).select_from(INSTANCE).where(of_series).scalar_subquery()
    query = sa.select(SERIES.c.study_uid, SERIES.c.modality, count).where(
        SERIES.c.study_uid.in_(study_uids),
        sa.exists().where(of_series, INSTANCE.c.lineage_id.is_(None)),
    )
    counts: dict[str, dict[str, int]] = {}
    with archive.database.read() as connection:
        for study_uid, modality, instances in connection.execute(query):
            of_study = counts.setdefault(study_uid, {})
            of_study[modality] = of_study.get(modality, 0) + instances
    return counts


def _entry(
    row: sa.Row[Any],
    study: FoundStudy,
    *,
    predictions: Sequence[sa.Row[Any]],
    received: dict[str, int],
) -> WorklistEntry:
    published = [each for each in predictions if each.state == "published"]
    return WorklistEntry(
        study=study,
        state=_state(row, {each.state for each in predictions}),
        is_held="quarantine" in row.door or row.door.startswith("held"),
        priority=max((each.priority for each in published), default=None),
        words=tuple(each.words for each in published if each.words),
        modalities=tuple(sorted(received)),
        images=sum(received.values()),
        waiting_since=row.first_received_at,
    )


def _state(row: sa.Row[Any], predictions: set[str]) -> StudyState:
    if row.completed_revision < row.revision:
        return "receiving"
    if "failed" in predictions:
        return "failed"
    if "published" in predictions:
        return "predicted"
    return "held" if row.door.startswith("held") else "complete"


def _reading_order(row: sa.Row[Any], predictions: Iterable[sa.Row[Any]]) -> tuple[int, float, str]:
    priority = max((each.priority for each in predictions), default=0)
    return (-priority, row.first_received_at, row.uid)


def _holds_words(row: sa.Row[Any], predictions: Iterable[sa.Row[Any]], words: str) -> bool:
    texts = [row.name, row.patient_id, row.description, row.accession_number]
    text = " ".join([*texts, *(each.words for each in predictions)]).casefold()
    return all(word in text for word in words.split())
