"""Transactions to a FHIR server: done once in effect, and every way in which they may fail."""

import json
import socket
import ssl
import threading
import time

import pytest

from sightline.errors import PeerFailed
from sightline.formats.fhir_result import write_transaction
from sightline.peers.fhir import send_transaction
from tests.certificates import Authority
from tests.clinical_results import RESULT
from tests.counterparties import HOST, free_port
from tests.told import FhirServer, server_side

TLS = ssl.create_default_context()
SYSTEM = "urn:oid:1.2.840.99"
BUNDLE = write_transaction(RESULT, systems={RESULT.patient.issuer: SYSTEM})


def outcome(text: str) -> bytes:
    issue = [{"severity": "error", "code": "processing", "diagnostics": text}]
    return json.dumps({"resourceType": "OperationOutcome", "issue": issue}).encode()


def test_a_repeat_has_the_same_effect_once() -> None:
    server = FhirServer()
    with server.serve() as serving:
        send_transaction(serving.url, BUNDLE, tls=TLS)
        once = dict(server.resources)
        send_transaction(serving.url + "/", BUNDLE, tls=TLS)
    assert server.resources == once
    kinds = sorted(name.partition("/")[0] for name in once)
    assert kinds == ["Device", "DiagnosticReport", "ImagingStudy", *["Observation"] * 11, "Patient"]


def test_the_hospitals_own_patient_and_study_are_used_and_not_changed() -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": "PHANTOM|1^a"}],
    }
    study = {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]}
    other = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:9", "value": "PHANTOM|1^a"}],
    }
    theirs = {"Patient/a": other, "Patient/b": patient, "ImagingStudy/c": study}
    server = FhirServer(resources=dict(theirs))
    with server.serve() as serving:
        send_transaction(serving.url, BUNDLE, tls=TLS)
    assert {name: server.resources[name] for name in theirs} == theirs
    (report,) = server.of_type("DiagnosticReport")
    assert report["subject"] == {"reference": "Patient/b"}
    assert report["imagingStudy"] == [{"reference": "ImagingStudy/c"}]
    assert len(server.of_type("Patient")) == 2


def test_a_refusal_is_a_failure_with_the_outcomes_text() -> None:
    server = FhirServer(
        refusals=[(422, outcome("Prøbe has no MR of PHANTOM|1^a")), (503, b"<html>")]
    )
    with server.serve() as serving:
        with pytest.raises(PeerFailed) as caught:
            send_transaction(serving.url, BUNDLE, tls=TLS, hidden={"PHANTOM|1^a", "Prøbe"})
        assert caught.value.problem == f"{serving.url} answered 422: *** has no MR of ***"
        with pytest.raises(PeerFailed, match="answered 503: no reason given"):
            send_transaction(serving.url, BUNDLE, tls=TLS)
    assert server.resources == {}


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "who calls"), (403, "create and update"), (404, "base"), (412, "Several")],
)
def test_what_can_be_done_is_said(status: int, hint: str) -> None:
    server = FhirServer(refusals=[(status, b"")])
    with server.serve() as serving, pytest.raises(PeerFailed) as caught:
        send_transaction(serving.url, BUNDLE, tls=TLS)
    assert hint in caught.value.hint


def test_a_server_that_says_that_an_entry_failed_has_not_done_it() -> None:
    entries = [{"response": {"status": "201"}}, {"response": {"status": "409 Conflict"}}]
    answer = json.dumps({"resourceType": "Bundle", "entry": entries}).encode()
    server = FhirServer(refusals=[(200, answer), (200, outcome("all is well"))])
    with server.serve() as serving:
        with pytest.raises(PeerFailed, match="answered 200: 409 Conflict"):
            send_transaction(serving.url, BUNDLE, tls=TLS)
        send_transaction(serving.url, BUNDLE, tls=TLS)


def test_a_redirection_is_not_followed() -> None:
    server = FhirServer(refusals=[(301, b"")])
    with server.serve() as serving, pytest.raises(PeerFailed, match="answered 301"):
        send_transaction(serving.url, BUNDLE, tls=TLS)
    assert len(server.bundles) == 1


def test_silence_is_waited_for_only_so_long() -> None:
    server = FhirServer(pause_s=2)
    with server.serve() as serving:
        started = time.monotonic()
        with pytest.raises(PeerFailed, match=r"did not answer within 0\.3 s"):
            send_transaction(serving.url, BUNDLE, tls=TLS, timeout_s=0.3)
        assert time.monotonic() - started < 1.5


def test_an_answer_that_breaks_off_is_a_failure() -> None:
    with (
        FhirServer(lose_answers=1).serve() as serving,
        pytest.raises(PeerFailed, match="broke off"),
    ):
        send_transaction(serving.url, BUNDLE, tls=TLS)


def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(PeerFailed, match="cannot be reached"):
        send_transaction(f"http://{HOST}:{free_port()}/fhir", BUNDLE, tls=TLS)


def test_a_server_that_cannot_be_trusted_is_told_nothing(authority: Authority) -> None:
    server = FhirServer()
    with server.serve(
        tls=server_side(authority.server.certificate, authority.server.key)
    ) as serving:
        trusting = ssl.create_default_context(cafile=str(authority.ca))
        send_transaction(serving.url, BUNDLE, tls=trusting)
        with pytest.raises(PeerFailed, match="cannot be trusted"):
            send_transaction(serving.url, BUNDLE, tls=TLS)
    assert len(server.bundles) == 1


def test_what_speaks_no_tls_is_said() -> None:
    server = FhirServer()
    with server.serve() as serving, pytest.raises(PeerFailed, match="cannot be called by TLS"):
        send_transaction(serving.url.replace("http:", "https:"), BUNDLE, tls=TLS)


def test_what_speaks_no_http_is_said() -> None:
    with socket.create_server((HOST, 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"220 mail.example\r\n")
                while connection.recv(65536):
                    pass

        greeting = threading.Thread(target=greet, daemon=True)
        greeting.start()
        with pytest.raises(PeerFailed, match="broke off before it answered"):
            send_transaction(f"http://{HOST}:{listening.getsockname()[1]}", BUNDLE, tls=TLS)
        greeting.join()


@pytest.mark.parametrize("url", ["ftp://host/fhir", "https:///fhir", "https://host:99999/"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(PeerFailed, match="is no address of a web service"):
        send_transaction(url, BUNDLE, tls=TLS)
