"""Reports outside DICOM: what the hub may have of them."""

import dataclasses

import pytest

from sightline.deid.known_identifiers import KnownIdentifiers, known_of_patient
from sightline.deid.reports import deidentify_report
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.values.clinical import ClinicalRecord
from sightline.values.identity import Patient, StudyUid

PATIENT = Patient(patient_id="4711-22", name="Kowalczyk^Ada", birth_date="19560312")
RECORD = ClinicalRecord(
    kind="report",
    source_key="F4711",
    person=None,
    accession_number="ACC20240815",
    date="20240202",
    title="CT chest of Ada Kowalczyk",
    text="Mrs Kowalczyk (4711-22, ACC20240815) was seen by Dr. Lindner on 02/02/2024. 8 mm nodule.",
    unit="mg/l",
    status="F",
)


def test_a_report_leaves_without_its_patient(vault: Vault) -> None:
    known = known_of_patient(PATIENT, [RECORD])
    left = deidentify_report(RECORD, PATIENT, known, vault=vault, study_uid=StudyUid("1.2.3"))
    assert (left.study_uid, left.subject_id) == (vault.uid("1.2.3"), vault.pseudonym(PATIENT))
    assert (left.kind, left.unit, left.status) == ("report", "mg/l", "F")
    assert left.title == "CT chest of [PATIENT]"
    assert left.text.startswith("Mrs [PATIENT] ([ID], [ID]) was seen by Dr. [NAME ")
    assert left.text.endswith("]. 8 mm nodule.")
    assert left.date != RECORD.date
    assert len(left.date) == 8
    assert left.replaced == {"date": 1, "id": 2, "name": 1, "patient": 2}
    again = deidentify_report(RECORD, PATIENT, known, vault=vault, study_uid=StudyUid("1.2.3"))
    assert again == left


def test_a_unit_or_status_that_may_be_a_word_stays_behind(vault: Vault) -> None:

    odd = dataclasses.replace(RECORD, unit="Kowalczyk", status="Ada", date="soon")
    left = deidentify_report(odd, PATIENT, KnownIdentifiers(), vault=vault)
    assert (left.unit, left.status, left.date, left.study_uid) == ("", "", "", None)


def test_a_patient_without_an_id_is_refused(vault: Vault) -> None:
    with pytest.raises(Refused, match="without an id"):
        deidentify_report(RECORD, Patient(patient_id=" "), KnownIdentifiers(), vault=vault)
