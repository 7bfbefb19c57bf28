"""Telling other systems of the hospital what was published: by HL7 v2 and by FHIR."""

from collections.abc import Callable
from typing import TypeAlias

from sightline.archive.archive import Archive
from sightline.archive.outbox import MessageDelivery, MessageTo, facts_of
from sightline.archive.results import prediction
from sightline.formats.fhir_result import write_transaction
from sightline.formats.hl7_result import write_oru
from sightline.peers.fhir import send_transaction
from sightline.peers.mllp import parse_peer, send_message
from sightline.peers.tls import client_tls
from sightline.serve.making import result_ids
from sightline.settings import Settings
from sightline.values.clinical_result import ClinicalResult, MessageKind
from sightline.values.identity import LineageId, Patient

Tell: TypeAlias = Callable[[Archive, MessageDelivery], None]
"""Tells one destination of one prediction; raises PeerFailed where that fails."""


def told_of_results(settings: Settings) -> list[MessageTo]:
    """Return whom a site wants to be told of results."""
    wanted: dict[MessageKind, str] = {"hl7": settings.results_hl7, "fhir": settings.results_fhir}
    return [MessageTo(kind=kind, destination=to) for kind, to in wanted.items() if to]


def tellers(settings: Settings) -> dict[MessageKind, Tell]:
    """Return what tells of results, by language.

    Raises:
        BadSettings: A certificate cannot be used.
    """
    tls = client_tls(settings)

    def tell_by_hl7(archive: Archive, delivery: MessageDelivery) -> None:
        result = _result(archive, delivery.lineage_id)
        peer = parse_peer(delivery.to.destination, tls=tls)
        message = write_oru(result, facility=settings.ae_title)
        send_message(peer, message, hidden=hidden_of(result))

    def tell_by_fhir(archive: Archive, delivery: MessageDelivery) -> None:
        result = _result(archive, delivery.lineage_id)
        bundle = write_transaction(result, systems=settings.results_fhir_systems)
        send_transaction(delivery.to.destination, bundle, tls=tls, hidden=hidden_of(result))

    return {"hl7": tell_by_hl7, "fhir": tell_by_fhir}


def _result(archive: Archive, lineage_id: LineageId) -> ClinicalResult:
    return facts_of(archive, prediction(archive, lineage_id), result_ids(lineage_id))


def hidden_of(result: ClinicalResult) -> set[str]:
    """Return what a peer may quote of a patient, and we do not keep as its reason."""
    patient: Patient = result.patient
    day = patient.birth_date
    parts = patient.name.replace("=", "^").split("^")
    words = [word for part in parts for word in part.split() if len(word) > 1]
    days = {day, f"{day[:4]}-{day[4:6]}-{day[6:]}"} if day else set()
    return {patient.patient_id, result.accession_number, *words, *days} - {""}
