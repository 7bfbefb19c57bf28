"""A result as one FHIR R4 transaction, for whoever keeps patients' records.

Its resources have ids that follow from the lineage id and are put, so that a repeat has the same
effect once. Patient and ImagingStudy belong to the hospital: they are found by their identifiers,
made only where nobody has them, and never changed (http.html#ccreate).
"""

import datetime as dt
import html
import json
import re
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydicom.sr.coding import Code

from sightline.formats.class_codes import PRIVATE_SCHEME, meaning_of
from sightline.formats.result_items import (
    FINDING,
    IMAGING_STUDY,
    NOTICE,
    Group,
    Number,
    caution_lines,
    decimal,
    groups_of,
    model_of,
    name_groups,
    origin_of,
)
from sightline.values.clinical_result import ClinicalResult
from sightline.values.identity import Patient

Resource: TypeAlias = dict[str, Any]

_SPACE = uuid.UUID("4f0b6ad1-5a94-4f3e-8a5b-3b6f5f0d8b52")
_TERMS = "http://terminology.hl7.org/CodeSystem/"
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
}
_UCUM = "http://unitsofmeasure.org"
_SEX = {"M": "male", "F": "female", "O": "other"}
_WRITING = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_WRITINGS = ("ABC", "IDE", "SYL")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
# What a string of FHIR may not hold (datatypes.html#string).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPECIAL = re.compile(r"[\\,|$]")


def write_transaction(result: ClinicalResult, *, systems: Mapping[str, str]) -> bytes:
    """Write the Bundle that tells of a result, as JSON in UTF-8.

    Args:
        result: what it says.
        systems: by issuer of patient ids, the URI that the server knows it by.
    """
    return json.dumps(_Transaction(result, systems).bundle(), ensure_ascii=False).encode()


class _Transaction:
    def __init__(self, result: ClinicalResult, systems: Mapping[str, str]) -> None:
        self._result = result
        self._systems = systems
        self._lineage = str(result.prediction.lineage_id)
        self._entries: list[Resource] = []

    def bundle(self) -> Resource:
        """Make the Bundle (bundle.html#transaction)."""
        self._offer(self._patient())
        self._offer(self._study())
        self._put(self._device())
        observations = self._observations()
        for each in observations:
            self._put(each)
        parts = {
            member["reference"] for each in observations for member in each.get("hasMember", ())
        }
        whole = [
            each for each in observations if _reference(_name_of(each))["reference"] not in parts
        ]
        self._put(self._report(whole))
        return {
            "resourceType": "Bundle",
            "identifier": _identifier("message", self._result.message_id),
            "type": "transaction",
            "timestamp": self._at,
            "entry": self._entries,
        }

    @property
    def _at(self) -> str:
        return self._result.published_at.isoformat()

    def _put(self, resource: Resource) -> None:
        url = f"{resource['resourceType']}/{resource['id']}"
        self._enter(url, resource, {"method": "PUT", "url": url})

    def _offer(self, resource: Resource) -> None:
        """Have a resource be made where none of its first identifier is found."""
        kind, number = resource["resourceType"], resource["identifier"][0]
        value = _SPECIAL.sub(r"\\\g<0>", number["value"])
        token = urllib.parse.quote(f"{number['system']}|{value}")
        request = {"method": "POST", "url": kind, "ifNoneExist": f"identifier={token}"}
        self._enter(kind, resource, request)

    def _enter(self, name: str, resource: Resource, request: Resource) -> None:
        full_url = _reference(name)["reference"]
        self._entries.append({"fullUrl": full_url, "resource": resource, "request": request})

    def _system(self) -> str:
        """Return the URI of whoever numbers the patient; a made one where nobody has told."""
        issuer = self._result.patient.issuer
        if issuer in self._systems:
            return self._systems[issuer]
        if _OID.fullmatch(issuer):
            return f"urn:oid:{issuer}"
        return issuer if _URI.fullmatch(issuer) else _own_system(f"issuer/{issuer}")

    def _number(self) -> Resource:
        """Return by what the patient is known; one without a number is known by the study alone.

        Searching for a system without a value would find anybody (search.html#token).
        """
        patient = self._result.patient
        value = _clean(patient.patient_id)
        if not value:
            return _identifier("patient-of-study", self._result.prediction.study_uid)
        number = {"type": _concept_of(f"{_TERMS}v2-0203", "MR"), "system": self._system()}
        named = {"display": _clean(patient.issuer)} if patient.issuer else {}
        return number | {"value": value} | _given("assigner", named)

    def _patient(self) -> Resource:
        patient = self._result.patient
        return {
            "resourceType": "Patient",
            "identifier": [self._number()],
            **_given("name", _names(patient)),
            **_given("gender", _SEX.get(patient.sex.upper())),
            **_given("birthDate", _day(patient.birth_date)),
        }

    def _study(self) -> Resource:
        prediction = self._result.prediction
        identifiers: list[Resource] = [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{prediction.study_uid}"}
        ]
        accession = _clean(self._result.accession_number)
        if accession:
            kind = _concept_of(f"{_TERMS}v2-0203", "ACSN")
            identifiers.append({"type": kind, "value": accession})
        return {
            "resourceType": "ImagingStudy",
            "identifier": identifiers,
            "status": "available",
            "subject": _reference("Patient"),
            **_given("started", _day(self._result.study_date)),
            "series": _series(self._result),
        }

    def _device(self) -> Resource:
        name, version = model_of(self._result)
        model_id = self._result.prediction.model_id
        return {
            "resourceType": "Device",
            "id": model_id,
            "identifier": [_identifier("lineage", model_id)],
            "status": "active",
            "manufacturer": "Sightline",
            "deviceName": [{"name": name, "type": "model-name"}],
            "version": [{"value": version}],
            "type": {"text": "Imaging model"},
            "note": [{"text": NOTICE}],
        }

    def _report(self, observations: list[Resource]) -> Resource:
        said = [NOTICE, self._result.finding.words, *caution_lines(self._result.finding)]
        conclusion = _clean(" ".join(said))
        narrative = f'<div xmlns="http://www.w3.org/1999/xhtml">{html.escape(conclusion)}</div>'
        return {
            "resourceType": "DiagnosticReport",
            "id": self._lineage,
            "text": {"status": "generated", "div": narrative},
            "identifier": [_identifier("lineage", self._lineage)],
            "status": "preliminary",
            "category": [_concept_of(f"{_TERMS}v2-0074", "RAD")],
            "code": _concept(IMAGING_STUDY),
            "subject": _reference("Patient"),
            **_given("effectiveDateTime", _day(self._result.study_date)),
            "issued": self._at,
            "result": [_reference(_name_of(each)) for each in observations],
            "imagingStudy": [_reference("ImagingStudy")],
            "conclusion": conclusion,
        }

    def _observations(self) -> list[Resource]:
        made: list[Resource] = []
        for position, group in enumerate(groups_of(self._result.finding), start=1):
            members = [self._value(position, group, each) for each in group.numbers]
            made += [*members, self._group(position, group, members)]
        return [*made, self._origin()]

    def _group(self, position: int, group: Group, members: list[Resource]) -> Resource:
        meant = _concept(meaning_of(group.class_name).kind, group.class_name)
        return self._observation(f"{position}", FINDING, text=group.class_name) | {
            "valueCodeableConcept": meant,
            "hasMember": [_reference(_name_of(each)) for each in members],
        }

    def _value(self, position: int, group: Group, number: Number) -> Resource:
        text = f"{group.class_name}: {number.code.meaning}"
        # As HL7 writes it: the same decimals, in whatever language.
        value = float(decimal(number.value))
        quantity = {"value": value, "unit": number.unit, "system": _UCUM, "code": number.unit}
        made = self._observation(f"{position}-{number.name}", number.code, text=text)
        return made | {"valueQuantity": quantity}

    def _origin(self) -> Resource:
        said = [
            {"code": _concept(code), "valueString": _clean(value)}
            for code, value in origin_of(self._result)
        ]
        code = Code("ORIGIN", PRIVATE_SCHEME, "How this result was made")
        return self._observation("origin", code, text=code.meaning) | {"component": said}

    def _observation(self, name: str, code: Code, *, text: str) -> Resource:
        return {
            "resourceType": "Observation",
            "id": f"{self._lineage}-{name}",
            "identifier": [_identifier("lineage", f"{self._lineage}-{name}")],
            "status": "preliminary",
            "category": [_concept_of(f"{_TERMS}observation-category", "imaging")],
            "code": _concept(code, text),
            "subject": _reference("Patient"),
            **_given("effectiveDateTime", _day(self._result.study_date)),
            "issued": self._at,
            "note": [{"text": NOTICE}],
            "device": _reference(f"Device/{self._result.prediction.model_id}"),
            "derivedFrom": [_reference("ImagingStudy")],
        }


def _reference(name: str) -> Resource:
    """Refer to an entry of the same Bundle (bundle.html#references)."""
    return {"reference": f"urn:uuid:{uuid.uuid5(_SPACE, name)}"}


def _name_of(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _own_system(name: str) -> str:
    return f"urn:oid:2.25.{uuid.uuid5(_SPACE, name).int}"


def _identifier(kind: str, value: str) -> Resource:
    return {"system": _own_system(kind), "value": value}


def _concept(code: Code, text: str = "") -> Resource:
    system = _SYSTEMS.get(code.scheme_designator) or _own_system(code.scheme_designator)
    coding = {"system": system, "code": code.value.strip(), "display": code.meaning}
    return {"coding": [coding], "text": _clean(text) or code.meaning}


def _concept_of(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _series(result: ClinicalResult) -> list[Resource]:
    """Return the series that was predicted on, and those that were published."""
    source = {"uid": result.prediction.series_uid, "modality": _modality(result.modality)}
    return [
        source,
        *(
            {
                "uid": each.series_uid,
                "modality": _modality(each.modality),
                "instance": [{"uid": each.instance_uid, "sopClass": _uri_of(each.sop_class_uid)}],
            }
            for each in result.instances
        ),
    ]


def _uri_of(uid: str) -> Resource:
    return {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{uid}"}


def _modality(modality: str) -> Resource:
    return {"system": _SYSTEMS["DCM"], "code": modality or "OT"}


def _names(patient: Patient) -> list[Resource]:
    made = []
    for writing, parts in zip(_WRITINGS, name_groups(patient.name), strict=False):
        family, given, middle, prefix, suffix = map(_clean, parts or [""] * 5)
        name: Resource = {
            **_given("family", family),
            **_given("given", [each for each in (given, middle) if each]),
            **_given("prefix", [prefix] if prefix else []),
            **_given("suffix", [suffix] if suffix else []),
        }
        if name:
            extension = [{"url": _WRITING, "valueCode": writing}]
            made.append({"extension": extension, "use": "official", **name})
    return made


def _given(name: str, value: Any) -> Resource:  # noqa: ANN401 - JSON
    """Return an element that is left out where it says nothing (json.html: none is empty)."""
    return {name: value} if value else {}


def _day(text: str) -> str:
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a day alone
    except ValueError:
        return ""


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()
