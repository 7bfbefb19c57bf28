"""Results as FHIR R4: what the specification demands of each resource, held by hand."""

import dataclasses
import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sightline.formats.fhir import read_bundle
from sightline.formats.fhir_result import write_transaction
from sightline.formats.result_items import NOTICE
from sightline.values.clinical_result import ClinicalResult
from sightline.values.identity import Patient
from tests.clinical_results import RESULT, WORDS, of_patient, with_words

Resource = dict[str, Any]
SYSTEMS = {"NORTH & SON": "urn:oid:1.2.840.99"}
# datatypes.html#id, #date, #instant
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def told(result: ClinicalResult = RESULT, systems: dict[str, str] = SYSTEMS) -> Resource:
    bundle: Resource = json.loads(write_transaction(result, systems=systems))
    return bundle


def resources(bundle: Resource, kind: str) -> list[Resource]:
    found = (entry["resource"] for entry in bundle["entry"])
    return [each for each in found if each["resourceType"] == kind]


def one(bundle: Resource, kind: str) -> Resource:
    (found,) = resources(bundle, kind)
    return found


def elements(value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from elements(each)
        else:
            yield each


def test_the_bundle_is_a_transaction_of_entries_that_may_be_repeated() -> None:
    """bundle.html: bdl-1, 3, 7, 8; http.html#transaction, #ccreate, #upsert."""
    bundle = told()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
    assert bundle["identifier"]["value"] == RESULT.message_id
    assert INSTANT.fullmatch(bundle["timestamp"])
    full_urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(full_urls)) == len(full_urls)
    for entry in bundle["entry"]:
        resource, request = entry["resource"], entry["request"]
        if request["method"] == "PUT":
            assert ID.fullmatch(resource["id"])
            assert request["url"] == f"{resource['resourceType']}/{resource['id']}"
        else:
            # The hospital's own: made only where nobody has them, and never changed.
            assert resource["resourceType"] in {"Patient", "ImagingStudy"}
            assert request["method"] == "POST"
            assert request["url"] == resource["resourceType"]
            assert "id" not in resource
            assert request["ifNoneExist"].startswith("identifier=")


def test_every_reference_leads_to_an_entry() -> None:
    """bundle.html#references: a urn:uuid is resolved within the Bundle."""
    bundle = told()
    full_urls = {entry["fullUrl"] for entry in bundle["entry"]}
    references = {
        each["reference"]
        for each in elements(bundle)
        if isinstance(each, dict) and "reference" in each
    }
    assert references == full_urls - {
        entry["fullUrl"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "DiagnosticReport"
    }


def test_nothing_is_empty() -> None:
    """json.html: properties are never null or empty; datatypes.html#string."""
    for result in (RESULT, of_patient(Patient(patient_id="7")), with_words("")):
        for each in elements(told(result)):
            assert each not in (None, "", [], {})


def test_the_patient_is_found_by_identifier() -> None:
    """patient.html: identifier, name, gender (required binding), birthDate; search.html#token."""
    bundle = told()
    patient = one(bundle, "Patient")
    (number,) = patient["identifier"]
    assert (number["system"], number["value"]) == ("urn:oid:1.2.840.99", "PHANTOM|1^a")
    assert number["type"]["coding"][0]["code"] == "MR"
    assert number["assigner"] == {"display": "NORTH & SON"}
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-01-02")
    latin, ideographic, phonetic = patient["name"]
    assert (latin["family"], latin["given"]) == ("Prøbe", ["Zoë", "Ann"])
    assert (latin["prefix"], latin["suffix"]) == (["Dr"], ["Jr"])
    assert (ideographic["family"], ideographic["given"]) == ("王", ["小東"])
    assert [each["extension"][0]["valueCode"] for each in (latin, ideographic, phonetic)] == [
        *("ABC", "IDE", "SYL"),
    ]
    (entry,) = (each for each in bundle["entry"] if each["resource"] is patient)
    query = urllib.parse.parse_qs(entry["request"]["ifNoneExist"], strict_parsing=True)
    # A bar in a value is escaped (search.html, section on escaping).
    assert query == {"identifier": ["urn:oid:1.2.840.99|PHANTOM\\|1^a"]}


def test_an_issuer_that_nobody_mapped_has_a_system_of_its_own() -> None:
    def system(issuer: str) -> str:
        patient = one(told(of_patient(Patient(patient_id="7", issuer=issuer)), {}), "Patient")
        return str(patient["identifier"][0]["system"])

    assert system("1.2.3") == "urn:oid:1.2.3"
    assert system("https://north.example/ids") == "https://north.example/ids"
    # The same number of two hospitals stays two people.
    assert system("NORTH") != system("SOUTH")
    assert system("NORTH").startswith("urn:oid:2.25.")


def test_a_patient_without_a_number_is_nobody_elses() -> None:
    """A search by system alone would find anybody whom that system numbers."""
    bundle = told(of_patient(Patient(patient_id=" ", issuer="NORTH & SON", name="Probe")))
    (number,) = one(bundle, "Patient")["identifier"]
    assert number["value"] == "1.2.3"
    assert number["system"].startswith("urn:oid:2.25.")
    query = bundle["entry"][0]["request"]["ifNoneExist"]
    assert urllib.parse.unquote(query) == f"identifier={number['system']}|1.2.3"


def test_the_study_is_found_by_its_uid() -> None:
    """imagingstudy.html: status and subject 1..1; series.uid and modality, instance.uid and sopClass 1..1."""
    study = one(told(), "ImagingStudy")
    uid, accession = study["identifier"]
    assert uid == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert (accession["type"]["coding"][0]["code"], accession["value"]) == ("ACSN", "A|1")
    assert (study["status"], study["started"]) == ("available", "2024-01-31")
    assert study["subject"]
    source, *published = study["series"]
    assert (source["uid"], source["modality"]["code"]) == ("1.2.3.4", "CT")
    assert [each["instance"][0]["uid"] for each in published] == ["2.25.7", "2.25.8"]
    for series in study["series"]:
        assert {"uid", "modality"} <= series.keys()
        for instance in series.get("instance", ()):
            assert {"uid", "sopClass"} <= instance.keys()


def test_the_report_is_preliminary_and_says_that_it_is_for_research() -> None:
    """diagnosticreport.html: status and code 1..1; dom-6 asks for a narrative (narrative.html)."""
    bundle = told()
    report = one(bundle, "DiagnosticReport")
    assert report["id"] == RESULT.prediction.lineage_id
    assert report["status"] == "preliminary"
    assert report["code"]["coding"][0] == {
        "system": "http://loinc.org",
        "code": "18748-4",
        "display": "Diagnostic imaging study",
    }
    assert report["subject"]
    assert DATE.fullmatch(report["effectiveDateTime"])
    assert INSTANT.fullmatch(report["issued"])
    assert report["conclusion"] == f"{NOTICE} {WORDS}"
    assert report["text"]["status"] == "generated"
    assert report["text"]["div"].startswith(
        '<div xmlns="http://www.w3.org/1999/xhtml">RESEARCH USE'
    )
    assert "&amp;" in report["text"]["div"]
    # Three classes and how it was made; the numbers are members of their class.
    assert len(report["result"]) == 4


def test_observations_have_coded_numbers_and_are_preliminary() -> None:
    """observation.html: status and code 1..1, obs-6, obs-7; datatypes.html#Quantity: qty-3."""
    bundle = told()
    observations = resources(bundle, "Observation")
    for each in observations:
        assert (each["status"], each["note"]) == ("preliminary", [{"text": NOTICE}])
        assert each["code"]["coding"][0].keys() >= {"system", "code"}
        assert {"subject", "device", "derivedFrom"} <= each.keys()
    quantities = [each["valueQuantity"] for each in observations if "valueQuantity" in each]
    assert {each["system"] for each in quantities} == {"http://unitsofmeasure.org"}
    assert [(each["value"], each["code"]) for each in quantities] == [
        *((42.125, "ml"), (41, "mm"), (3, "1")),
        *((0, "ml"), (0, "mm"), (0, "1")),
        (0.8125, "1"),
    ]
    classes = [each for each in observations if "hasMember" in each]
    assert [each["code"]["text"] for each in classes] == [
        *("consolidation", "odd|class^name", "effusion"),
    ]
    assert [len(each["hasMember"]) for each in classes] == [3, 3, 1]
    (origin,) = (each for each in observations if "component" in each)
    said = {each["code"]["text"]: each["valueString"] for each in origin["component"]}
    assert said["Lineage id"] == RESULT.prediction.lineage_id
    assert (said["Algorithm Name"], said["Algorithm Version"]) == ("covid-chest", "3")
    assert (said["Study Instance UID"], said["Series Instance UID"]) == ("1.2.3", "1.2.3.4")
    named = [each["valueString"] for each in origin["component"]]
    assert named[-2:] == ["2.25.7", "2.25.8"]


def test_the_device_is_the_model() -> None:
    """device.html: deviceName.name and type 1..1 (required binding), version.value 1..1."""
    device = one(told(), "Device")
    assert device["id"] == RESULT.prediction.model_id
    assert device["deviceName"] == [{"name": "covid-chest", "type": "model-name"}]
    assert device["version"] == [{"value": "3"}]


def test_our_own_reader_takes_it() -> None:
    clinical = read_bundle(write_transaction(RESULT, systems=SYSTEMS))
    (report,) = (each for each in clinical.records if each.kind == "report")
    assert (report.study_uid, report.accession_number) == ("1.2.3", "A|1")
    assert (report.status, report.date) == ("preliminary", "20240131")
    assert report.text == f"{NOTICE} {WORDS}"
    assert report.person is not None
    assert (report.person.patient_id, report.person.issuer) == ("PHANTOM|1^a", "NORTH & SON")
    assert report.person.demographics is not None
    assert report.person.demographics.name == "Prøbe^Zoë^Ann Dr Jr".partition(" ")[0]
    values = {each.title: (each.text, each.unit) for each in clinical.records}
    assert values["consolidation: Volume"] == ("42.125", "ml")
    assert values["effusion: Probability"] == ("0.8125", "1")


def test_the_same_result_is_the_same_transaction() -> None:
    first = write_transaction(RESULT, systems=SYSTEMS)
    assert write_transaction(RESULT, systems=SYSTEMS) == first


@given(st.text(max_size=300))
def test_any_words_survive_but_for_control_characters(words: str) -> None:
    words = words.encode("utf-8", "ignore").decode()
    report = one(told(with_words(words)), "DiagnosticReport")
    expected = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", " ", f"{NOTICE} {words}").strip()
    assert report["conclusion"] == expected


def test_impossible_dates_are_left_out() -> None:
    odd = of_patient(dataclasses.replace(RESULT.patient, birth_date="19700000", sex="?"))
    patient = one(told(odd), "Patient")
    assert not {"birthDate", "gender"} & patient.keys()
