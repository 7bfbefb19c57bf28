"""FHIR bundles: what is read of each resource, and what is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import BadMessage
from sightline.formats.fhir import read_bundle
from sightline.values.clinical import Clinical, ClinicalRecord, Correction, Demographics, Person

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [
        {"type": {"coding": [{"code": "SS"}]}, "value": "123"},
        {"type": {"coding": [{"code": "MR"}]}, "value": "7", "assigner": {"display": "NORTH"}},
    ],
    "name": [{"family": "Doe", "given": ["Ada", "B"]}],
    "birthDate": "1970-01-02",
    "gender": "female",
}
ACCESSION = {"type": {"coding": [{"code": "ACSN"}]}, "value": "ACC1"}
STUDY = {
    "resourceType": "ImagingStudy",
    "id": "s",
    "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}, ACCESSION],
}
ORDER = {
    "resourceType": "ServiceRequest",
    "id": "o",
    "status": "active",
    "identifier": [{"system": "urn:ris", "value": "42"}, ACCESSION],
    "subject": {"reference": "Patient/p"},
    "code": {"text": "CT chest"},
    "reasonCode": [{"text": "Rule out PE"}],
    "note": [{"text": "Allergic"}],
    "occurrenceDateTime": "2024-02-01T10:00:00Z",
}
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "r",
    "status": "final",
    "subject": {"reference": "urn:uuid:p"},
    "imagingStudy": [{"reference": "ImagingStudy/s"}],
    "code": {"coding": [{"code": "x", "display": "Chest CT report"}]},
    "effectiveDateTime": "2024-02-02",
    "conclusion": "Normal",
    "presentedForm": [
        {"contentType": "text/plain", "data": base64.b64encode("No nodulës".encode()).decode()}
    ],
}
VALUE = {
    "resourceType": "Observation",
    "id": "v",
    "subject": {"identifier": {"value": "7", "system": "urn:oid:1.9"}},
    "code": {"coding": [{"code": "CRP"}]},
    "valueQuantity": {"value": 12.5, "unit": "mg/l"},
    "issued": "2024-02-03T00:00:00Z",
}
ADA = Person(
    patient_id="7",
    issuer="NORTH",
    demographics=Demographics(name="Doe^Ada^B", birth_date="19700102", sex="F"),
)


def bundle(*resources: dict[str, Any]) -> bytes:
    entries = [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in resources]
    return json.dumps({"resourceType": "Bundle", "entry": entries}).encode()


def test_each_resource() -> None:
    said = read_bundle(bundle(PATIENT, STUDY, ORDER, REPORT, VALUE))
    assert said.changes == (Correction(person=ADA),)
    assert said.records == (
        ClinicalRecord(
            kind="order",
            source_key="urn:ris|42",
            person=ADA,
            accession_number="ACC1",
            date="20240201",
            title="CT chest",
            text="Rule out PE\nAllergic",
            status="active",
        ),
        ClinicalRecord(
            kind="report",
            source_key="r",
            person=ADA,
            accession_number="ACC1",
            study_uid="1.2.3",
            date="20240202",
            title="Chest CT report",
            text="Normal\nNo nodulës",
            status="final",
        ),
        ClinicalRecord(
            kind="observation",
            source_key="v",
            person=Person(patient_id="7", issuer="urn:oid:1.9"),
            date="20240203",
            title="CRP",
            text="12.5",
            unit="mg/l",
        ),
    )
    assert read_bundle(json.dumps(PATIENT).encode()).changes == (Correction(person=ADA),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no resource"),
        (b"{}", "holds no Patient"),
        (bundle(STUDY), "holds no Patient"),
        (bundle(PATIENT | {"identifier": 7}), "not of the type"),
        (
            bundle(REPORT | {"presentedForm": [{"contentType": "text/plain", "data": "?"}]}),
            "base64",
        ),
    ],
)
def test_what_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        read_bundle(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.sampled_from([PATIENT, STUDY, ORDER, REPORT, VALUE]), st.data())
def test_any_value_anywhere_is_read_or_refused(
    resource: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(resource)))
    changed = resource | {name: data.draw(JSON), "id": "x"}
    try:
        found = read_bundle(bundle(PATIENT, STUDY, changed))
    except BadMessage as error:
        assert error.hint  # noqa: PT017 - most values may stand there
    else:
        assert isinstance(found, Clinical)
