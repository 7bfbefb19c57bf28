"""People who do not exist, and their visits to hospitals that do not exist."""

import dataclasses
import datetime as dt
import uuid

import numpy as np

from sightline.values.identity import Patient, StudyUid

ISSUER = "SIGHTLINE PHANTOMS"

_NAMESPACE = uuid.UUID("5f1d1c5e-4f0a-4a7e-9b0e-2d4f6a8c1357")
_BEGINNINGS = (
    "Amber",
    "Birch",
    "Cobalt",
    "Dapple",
    "Ember",
    "Fable",
    "Glimmer",
    "Harbour",
    "Ivory",
)
_ENDINGS = ("brook", "dale", "fen", "haven", "mere", "quill", "stone", "thorn", "wick")
_GIVEN = {
    "F": ("Odalind", "Peregrina", "Quintessa", "Rosamere", "Sunniva", "Tamsine", "Undine"),
    "M": ("Alaric", "Bertolin", "Caspian", "Dorimond", "Evander", "Florimel", "Gawain"),
}
_PHYSICIANS = ("Inkwell^Barnaby", "Lanternjaw^Clementine", "Mothwing^Theodora")
_FIRST_VISIT = dt.date(2024, 1, 8)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One study of one made-up person.

    Attributes:
        study_date: `YYYYMMDD`.
        study_time: `HHMMSS`.
        age: as DICOM writes it, such as `064Y`.
    """

    patient: Patient
    study_uid: StudyUid
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    referring_physician: str
    age: str


def person(seed: int) -> Patient:
    """Make up the person that a seed names."""
    rng = np.random.default_rng((seed, 10))
    sex = "F" if rng.random() < 0.5 else "M"  # noqa: PLR2004 - one or the other
    family = str(rng.choice(_BEGINNINGS)) + str(rng.choice(_ENDINGS))
    born = dt.date(1938, 1, 1) + dt.timedelta(days=int(rng.integers(0, 20_000)))
    return Patient(
        patient_id=f"PHANTOM-{seed:06d}",
        issuer=ISSUER,
        name=f"{family}^{rng.choice(_GIVEN[sex])}",
        birth_date=born.strftime("%Y%m%d"),
        sex=sex,
    )


def visit(seed: int, *, number: int = 0) -> Visit:
    """Make up a person's study; visit 1 comes some months after visit 0."""
    patient = person(seed)
    rng = np.random.default_rng((seed, 11))
    first = _FIRST_VISIT + dt.timedelta(days=int(rng.integers(0, 700)))
    date = first + dt.timedelta(days=sum(int(rng.integers(60, 150)) for _ in range(number)))
    minutes = int(np.random.default_rng((seed, 12, number)).integers(7 * 60, 19 * 60))
    return Visit(
        patient=patient,
        study_uid=StudyUid(uid_of(f"study/{seed}/{number}")),
        study_date=date.strftime("%Y%m%d"),
        study_time=f"{minutes // 60:02d}{minutes % 60:02d}00",
        accession_number=f"PH{seed:06d}{number:02d}",
        study_id=f"{seed}-{number}",
        referring_physician=_PHYSICIANS[seed % len(_PHYSICIANS)],
        age=f"{date.year - int(patient.birth_date[:4]):03d}Y",
    )


def uid_of(name: str) -> str:
    """Derive a UID, the same for the same name (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
