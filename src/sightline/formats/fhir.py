"""FHIR R4 bundles as JSON: Patient, ServiceRequest, DiagnosticReport, Observation, ImagingStudy.

Only what ties and tells is read; everything else of a resource is ignored. References are resolved
within the bundle.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from sightline.errors import BadMessage
from sightline.values.clinical import (
    Clinical,
    ClinicalRecord,
    Correction,
    Demographics,
    Person,
    RecordKind,
)

Resource: TypeAlias = Mapping[str, Any]

_KINDS: dict[str, RecordKind] = {
    "ServiceRequest": "order",
    "DiagnosticReport": "report",
    "Observation": "observation",
}
# HL7 table 0203 in FHIR: how an accession number is told from other identifiers.
_ACCESSION = "ACSN"
_OWN_NUMBERS = frozenset({"", "MR", "PI"})
_DICOM_UID = "urn:dicom:uid"
_OID = re.compile(r"urn:oid:([0-9.]+)")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_SEX = {"male": "M", "female": "F", "other": "O", "unknown": ""}
_MAX_ENTRIES = 100_000


def read_bundle(content: bytes, issuer: str = "") -> Clinical:
    """Return what a bundle says.

    Args:
        content: a Bundle, or one resource, in JSON.
        issuer: whose patient ids they are where an identifier names no assigner or system.

    Raises:
        BadMessage: It is no FHIR JSON, or holds nothing that is taken.
    """
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _bad("it is no JSON") from error
    if not isinstance(root, dict):
        raise _bad("it is no resource")
    try:
        return _Bundle(root, issuer).clinical()
    except (AttributeError, TypeError, LookupError, ValueError) as error:
        # A list where an object should be, a number where a text should be.
        raise _bad("an element is not of the type that FHIR gives it") from error


class _Bundle:
    def __init__(self, root: Resource, issuer: str) -> None:
        self._issuer = issuer
        self._resources = list(_resources(root))
        self._by_name: dict[str, Resource] = {}
        for name, resource in self._resources:
            for each in (name, f"{resource.get('resourceType')}/{resource.get('id')}"):
                self._by_name[each] = resource

    def clinical(self) -> Clinical:
        persons = [
            Correction(person=person)
            for _, resource in self._resources
            if resource.get("resourceType") == "Patient"
            and (person := self._person(resource)) is not None
        ]
        records = tuple(
            self._record(resource, position)
            for position, (_, resource) in enumerate(self._resources)
            if resource.get("resourceType") in _KINDS
        )
        if not persons and not records:
            raise _bad("it holds no Patient, ServiceRequest, DiagnosticReport or Observation")
        return Clinical(changes=tuple(persons), records=records)

    def _record(self, resource: Resource, position: int) -> ClinicalRecord:
        kind = _KINDS[resource["resourceType"]]
        subject = self._resolve(resource.get("subject"))
        return ClinicalRecord(
            kind=kind,
            source_key=_key(resource) or f"entry {position}",
            person=self._subject(subject, resource.get("subject")),
            accession_number=self._accession(resource),
            study_uid=self._study_uid(resource),
            date=_first_day(resource),
            title=_concept(resource.get("code")),
            text=_text(kind, resource),
            unit=str((resource.get("valueQuantity") or {}).get("unit") or ""),
            status=str(resource.get("status") or ""),
        )

    def _resolve(self, reference: Any) -> Resource | None:  # noqa: ANN401 - JSON
        name = (reference or {}).get("reference")
        return self._by_name.get(str(name)) if name else None

    def _subject(self, patient: Resource | None, reference: Any) -> Person | None:  # noqa: ANN401 - JSON
        if patient is not None:
            return self._person(patient)
        identifier = (reference or {}).get("identifier")
        if not identifier or not identifier.get("value"):
            return None
        return Person(patient_id=str(identifier["value"]), issuer=self._assigner(identifier))

    def _person(self, patient: Resource) -> Person | None:
        named = [each for each in patient.get("identifier") or [] if each.get("value")]
        own = [each for each in named if _type_of(each) in _OWN_NUMBERS]
        if not named:
            return None
        chosen = (own or named)[0]
        return Person(
            patient_id=str(chosen["value"]).strip(),
            issuer=self._assigner(chosen),
            demographics=Demographics(
                name=_name(patient),
                birth_date=_day(patient.get("birthDate")) or None,
                sex=_SEX.get(str(patient.get("gender"))),
            ),
        )

    def _assigner(self, identifier: Resource) -> str:
        display = (identifier.get("assigner") or {}).get("display")
        return str(display or self._issuer or identifier.get("system") or "")

    def _accession(self, resource: Resource) -> str:
        holders = [resource, *self._linked(resource, "imagingStudy", "imagingReference", "basedOn")]
        for holder in holders:
            for each in holder.get("identifier") or []:
                if _type_of(each) == _ACCESSION and each.get("value"):
                    return str(each["value"])
        return ""

    def _study_uid(self, resource: Resource) -> str:
        for holder in self._linked(resource, "imagingStudy", "study", "derivedFrom", "basedOn"):
            for each in holder.get("identifier") or []:
                match = _OID.fullmatch(str(each.get("value")))
                if each.get("system") == _DICOM_UID and match:
                    return match[1]
        return ""

    def _linked(self, resource: Resource, *names: str) -> Iterator[Resource]:
        for name in names:
            linked = resource.get(name) or []
            for each in linked if isinstance(linked, list) else [linked]:
                found = self._resolve(each)
                if found is not None:
                    yield found


def _resources(root: Resource) -> Iterator[tuple[str, Resource]]:
    if root.get("resourceType") != "Bundle":
        yield "", root
        return
    entries = root.get("entry") or []
    if len(entries) > _MAX_ENTRIES:
        raise _bad(f"it has {len(entries)} entries; {_MAX_ENTRIES} are taken")
    for entry in entries:
        resource = entry.get("resource")
        if isinstance(resource, dict):
            yield str(entry.get("fullUrl") or ""), resource


def _key(resource: Resource) -> str:
    for each in resource.get("identifier") or []:
        if each.get("value") and _type_of(each) != _ACCESSION:
            return f"{each.get('system') or ''}|{each['value']}"
    return str(resource.get("id") or "")


def _type_of(identifier: Resource) -> str:
    codings = (identifier.get("type") or {}).get("coding") or []
    return str(codings[0].get("code") or "") if codings else ""


def _concept(concept: Any) -> str:  # noqa: ANN401 - JSON
    if not concept:
        return ""
    codings = concept.get("coding") or []
    display = codings[0].get("display") or codings[0].get("code") if codings else ""
    return str(concept.get("text") or display or "")


def _text(kind: RecordKind, resource: Resource) -> str:
    if kind == "order":
        reasons = [_concept(each) for each in resource.get("reasonCode") or []]
        notes = [str(each.get("text") or "") for each in resource.get("note") or []]
        return "\n".join(filter(None, [*reasons, *notes]))
    if kind == "report":
        conclusion = str(resource.get("conclusion") or "")
        return "\n".join(filter(None, [conclusion, *_attached(resource)]))
    return _value(resource)


def _attached(resource: Resource) -> Iterator[str]:
    for form in resource.get("presentedForm") or []:
        if str(form.get("contentType") or "").startswith("text/plain") and form.get("data"):
            try:
                yield base64.b64decode(form["data"], validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise _bad("an attached text is not base64 of UTF-8") from error


def _value(resource: Resource) -> str:
    quantity = resource.get("valueQuantity")
    if quantity:
        return str(quantity.get("value", ""))
    if resource.get("valueCodeableConcept"):
        return _concept(resource["valueCodeableConcept"])
    for name in ("valueString", "valueInteger", "valueBoolean", "valueDateTime"):
        if name in resource:
            return str(resource[name])
    return ""


def _name(patient: Resource) -> str | None:
    names = patient.get("name") or []
    if not names:
        return None
    given = [str(each) for each in names[0].get("given") or []]
    parts = [str(names[0].get("family") or ""), *given[:1], " ".join(given[1:])]
    return "^".join(part.replace("^", " ") for part in parts).rstrip("^")


def _first_day(resource: Resource) -> str:
    names = ("occurrenceDateTime", "effectiveDateTime", "authoredOn", "issued")
    return next(filter(None, (_day(resource.get(name)) for name in names)), "")


def _day(value: Any) -> str:  # noqa: ANN401 - JSON
    match = _DAY.match(str(value or ""))
    return "".join(match.groups()) if match else ""


def _bad(why: str) -> BadMessage:
    return BadMessage(
        f"this is no FHIR bundle that can be taken: {why}",
        hint="FHIR R4 as JSON: a Bundle, or one resource.",
    )
