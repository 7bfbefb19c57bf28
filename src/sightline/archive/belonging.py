"""Whose a series is: its images, its study and what is made of it name one patient, or nothing is.

Why results name the archive's patient: docs/decisions/0043-results-belong-to-a-patient.md.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import AUDIT, INSTANCE, PATIENT, STUDY
from sightline.errors import MixedPatients, StudyChanged
from sightline.formats.patient_module import as_written
from sightline.values.identity import Patient, SeriesUid, StudyUid
from sightline.values.names import name_key
from sightline.values.prediction import Prediction
from sightline.values.rejection import STAYS_IN_HUB

_ABOUT = ("id", *(each.name for each in dataclasses.fields(Patient)))
_PERSON = sa.func.coalesce(PATIENT.c.survivor, PATIENT.c.id).label("person")
_AGAIN = "It is predicted anew as it is now; if that fails, the worklist says why."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Belonging:
    """Whose a series is.

    Attributes:
        patient: as the objects made of it name them.
        rows: of the archive: this patient, and every identity that the images name.
    """

    patient: Patient
    rows: tuple[int, ...]


def belonging_of(archive: Archive, study_uid: StudyUid, images: Iterable[Patient]) -> Belonging:
    """Return whose a series is, by its images and its study.

    Args:
        archive: holds the study.
        study_uid: of the series.
        images: whom each image names; at least one.

    Raises:
        MixedPatients: An image names somebody else than the study's patient.
        StudyChanged: The study is gone.
    """
    named = list(dict.fromkeys(images))
    with archive.database.read() as connection:
        whose = _whose(connection, study_uid)
        rows = [_row_of(connection, each, whose) for each in named]
    return Belonging(
        patient=whose.named_beside(named[0]), rows=tuple(dict.fromkeys((whose.owner, *rows)))
    )


def check_publishable(
    connection: sa.Connection, prediction: Prediction, objects: Sequence[tuple[str, Patient]]
) -> None:
    """Check that a prediction and its objects are of the study as it is now.

    Args:
        connection: where a transaction writes, nobody changes the patient until it ends.
        prediction: what was made.
        objects: study UID and patient of each object.

    Raises:
        StudyChanged: They are not.
    """
    whose = _whose(connection, prediction.study_uid)
    problem = why_fallen(connection, prediction)
    if problem:
        raise StudyChanged(f"{problem}, and was not published", hint=_AGAIN)
    for study_uid, patient in objects:
        if study_uid != prediction.study_uid or as_written(whose.named_beside(patient)) != patient:
            raise StudyChanged(
                "the study's patient is another one now, or is known otherwise, than when this "
                "was predicted: it was not published",
                hint=_AGAIN,
            )


def why_fallen(connection: sa.Connection, prediction: Prediction) -> str:
    """Return why a prediction does not hold any more; empty where it does.

    One that an earlier version made says neither whose images it saw nor, perhaps, which.
    """
    if prediction.making is None:
        return ""
    if not set(prediction.making.inputs) <= _counting(
        connection, prediction.study_uid, prediction.series_uid
    ):
        return "it rests on an image that was replaced, removed or taken back"
    owner = sa.select(STUDY.c.patient).where(STUDY.c.uid == prediction.study_uid)
    persons = _persons(connection, prediction.making.patients)
    if persons - {connection.execute(owner).scalar()}:
        return "its images or its objects name somebody else than the study's patient"
    return ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Whose:
    """Whose a study is.

    Attributes:
        owner: row of the patient, after merges.
        sent: row of the identity that the study came with.
    """

    owner: int
    patient: Patient
    sent: int
    sent_as: Patient

    def named_beside(self, image: Patient) -> Patient:
        """Return how an object names the patient, of images that name them like this one.

        An issuer that the images of the same hospital leave out is left out, so that a PACS sees
        one identity; what the archive does not know of the same identity is as the images say.
        """
        if not self.patient.patient_id:
            return image
        is_home = not image.issuer and self.patient.issuer == self.sent_as.issuer
        known = image if self.owner == self.sent else Patient(patient_id="")
        return Patient(
            patient_id=self.patient.patient_id,
            issuer="" if is_home else self.patient.issuer,
            name=self.patient.name or known.name,
            birth_date=self.patient.birth_date or known.birth_date,
            sex=self.patient.sex or known.sex,
        )


def _whose(connection: sa.Connection, study_uid: StudyUid) -> _Whose:
    sent = PATIENT.alias("sent")
    query = (
        sa.select(PATIENT, *(sent.c[name].label(f"sent_{name}") for name in _ABOUT))
        .select_from(STUDY)
        .join(PATIENT, PATIENT.c.id == STUDY.c.patient)
        .join(sent, sent.c.id == sa.func.coalesce(STUDY.c.sent_patient, STUDY.c.patient))
        .where(STUDY.c.uid == study_uid)
    )
    if connection.get_execution_options().get("writes", False):
        query = query.with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise StudyChanged(
            f"study {study_uid} is not in the archive any more",
            hint="Send it again to have it predicted.",
        )
    found = row._mapping  # noqa: SLF001 - its public way
    owner, sent_as = (
        Patient(**{each.name: found[prefix + each.name] for each in dataclasses.fields(Patient)})
        for prefix in ("", "sent_")
    )
    return _Whose(owner=row.id, patient=owner, sent=row.sent_id, sent_as=sent_as)


def _row_of(connection: sa.Connection, image: Patient, whose: _Whose) -> int:
    """Return the identity that an image names.

    Raises:
        MixedPatients: It is not the study's patient.
    """
    found = _find(connection, image, whose)
    if found is None or _persons(connection, [found.id]) != {whose.owner}:
        raise MixedPatients(
            "an image of the series names another patient than the study belongs to",
            hint="Have it sent again under the right patient, or the two identities merged "
            "(ADT A40); then the series is predicted.",
        )
    if _is_other_person(found, image) and not _is_told(connection, found.id):
        raise MixedPatients(
            "an image of the series has a patient's number with another name and birth date than "
            "the archive knows under it",
            hint="Correct the patient by a message (ADT A08), or have the images sent again under "
            "a number of their own.",
        )
    return int(found.id)


def _find(
    connection: sa.Connection, image: Patient, whose: _Whose
) -> sa.Row[tuple[object, ...]] | None:
    if not image.issuer and image.patient_id == whose.sent_as.patient_id:
        return connection.execute(sa.select(PATIENT).where(PATIENT.c.id == whose.sent)).one()
    # An image that names no issuer is of the hospital that its study is of.
    issuers = [image.issuer] if image.issuer else [whose.sent_as.issuer, ""]
    found = connection.execute(
        sa.select(PATIENT).where(
            PATIENT.c.patient_id == image.patient_id, PATIENT.c.issuer.in_(issuers)
        )
    ).all()
    return min(found, key=lambda row: issuers.index(row.issuer), default=None)


def _is_other_person(known: sa.Row[tuple[object, ...]], image: Patient) -> bool:
    """Tell whether name and birth date both differ; without a number the name is enough."""
    has_other_name = bool(
        known.name and image.name and name_key(known.name) != name_key(image.name)
    )
    if not image.patient_id:
        return has_other_name
    dates = {known.birth_date, image.birth_date} - {""}
    return has_other_name and len(dates) > 1


def _is_told(connection: sa.Connection, row: int) -> bool:
    """Tell whether a message said who an identity is; else only images did."""
    said = connection.execute(
        sa.select(AUDIT.c.sequence)
        .where(
            AUDIT.c.action.in_(("patient_entered", "patient_corrected")),
            AUDIT.c.objects.contains(json.dumps(f"patient:{row}"), autoescape=True),
        )
        .limit(1)
    )
    return said.first() is not None


def _persons(connection: sa.Connection, rows: Iterable[int]) -> set[int | None]:
    """Return who stands for some identities after merges; None for one that is gone."""
    wanted = list(rows)
    found = connection.execute(
        sa.select(PATIENT.c.id, _PERSON).where(PATIENT.c.id.in_(wanted))
    ).all()
    persons = {row.id: row.person for row in found}
    return {persons.get(row) for row in wanted}


def _counting(connection: sa.Connection, study_uid: StudyUid, series_uid: SeriesUid) -> set[str]:
    """Return the digests of a series that were not taken back; a term of keeping is no reproach."""
    query = sa.select(INSTANCE.c.digest).where(
        INSTANCE.c.study_uid == study_uid,
        INSTANCE.c.series_uid == series_uid,
        INSTANCE.c.rejected.in_(("", *STAYS_IN_HUB)),
    )
    return set(connection.execute(query).scalars())
