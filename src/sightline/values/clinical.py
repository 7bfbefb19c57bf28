"""What other systems say of a patient: who they are, what was ordered, reported and measured."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.identity import Patient

RecordKind: TypeAlias = Literal["order", "report", "observation"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Demographics:
    """What a message says of a person; None where it says nothing, empty where it deletes.

    Attributes:
        name: as DICOM writes it: family^given^middle^prefix^suffix.
        birth_date: `YYYYMMDD`.
        sex: M, F or O.
    """

    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """An identity as a message names it, and what the message says of the person."""

    patient_id: str
    issuer: str
    demographics: Demographics = Demographics()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """The person is as the message says (ADT A01, A04, A05, A08; FHIR Patient)."""

    person: Person


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """Two identities are one person, known by the surviving one (ADT A18, A34, A40, A47)."""

    survivor: Person
    merged: Person


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Unmerge:
    """Two identities are two persons after all (ADT A37)."""

    one: Person
    other: Person


PatientChange: TypeAlias = Correction | Merge | Unmerge


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClinicalRecord:
    """An order, a report or a measured value, and what ties it to a study.

    Attributes:
        source_key: what the sending system calls it; a later one of the same key replaces it.
        person: whom it is about; None where it does not say.
        accession_number: of the imaging order; empty where there is none.
        study_uid: Study Instance UID; empty where it does not say.
        date: `YYYYMMDD` on which it was ordered, reported or measured; empty where unknown.
        title: such as the procedure ordered or the name of a laboratory test.
        text: the indication of an order, the words of a report, the value of an observation.
        unit: of an observation.
        status: as the sender says, such as F for a final report.
    """

    kind: RecordKind
    source_key: str
    person: Person | None
    accession_number: str = ""
    study_uid: str = ""
    date: str = ""
    title: str = ""
    text: str = ""
    unit: str = ""
    status: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Clinical:
    """All that one message says, in the order in which it is to be applied."""

    changes: tuple[PatientChange, ...] = ()
    records: tuple[ClinicalRecord, ...] = ()


def as_patient(person: Person) -> Patient:
    """Return the patient that a person becomes when first heard of."""
    said = person.demographics
    return Patient(
        patient_id=person.patient_id,
        issuer=person.issuer,
        name=said.name or "",
        birth_date=said.birth_date or "",
        sex=said.sex or "",
    )
