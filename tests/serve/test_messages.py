"""Others are told of each result once in effect, in each patient's order, whatever fails."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.clinical import messages
from sightline.archive.outbox import MessageTo, due_messages, sent_messages
from sightline.catalog.archive_tables import CLINICAL_TIE, OUTGOING_MESSAGE
from sightline.intake.mllp import MllpListener
from sightline.serve.messages import tellers, told_of_results
from sightline.serve.outbox import deliver_messages
from sightline.settings import Settings
from sightline.values.clinical_result import MessageKind
from sightline.values.identity import LineageId
from tests.clinical_results import publish_one
from tests.counterparties import HOST, free_port
from tests.instances import ROOT
from tests.told import FhirServer, Hl7Listener, answer_with, control_id_of

_TELL_AND_DIE = """
import os, signal, sys
from sightline.archive.archive import Archive
from sightline.serve.messages import tellers
from sightline.serve.outbox import deliver_messages
from sightline.settings import Settings

settings, kind = Settings.load(data_dir=sys.argv[1]), sys.argv[2]
tell = tellers(settings)[kind]

def tell_and_die(archive, delivery):
    tell(archive, delivery)
    os.kill(os.getpid(), signal.SIGKILL)

deliver_messages(Archive.open(settings), kind, tell_and_die, max_attempts=30)
"""


@pytest.fixture
def settings(tmp_path: object) -> Settings:
    return Settings.load(
        data_dir=tmp_path,
        results_hl7=f"{HOST}:{free_port()}",
        results_fhir=f"http://{HOST}:{free_port()}/fhir",
    )


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    opened = Archive.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def deliver(archive: Archive, settings: Settings) -> Callable[[MessageKind], int]:
    """Give a function that lets every wait be over, and sends what is due then."""
    told = tellers(settings)

    def forward(kind: MessageKind, max_attempts: int = 30) -> int:
        with archive.database.write() as connection:
            connection.execute(OUTGOING_MESSAGE.update().values(next_attempt_at=0.0))
        return deliver_messages(archive, kind, told[kind], max_attempts=max_attempts)

    return forward


def port_of(destination: str) -> int:
    return int(destination.rpartition(":")[2].partition("/")[0])


def publish_all(archive: Archive, settings: Settings, patients: str) -> list[LineageId]:
    to = told_of_results(settings)
    return [publish_one(archive, number, each, to) for number, each in enumerate(patients, start=1)]


def test_nobody_is_told_unless_the_site_says_so(tmp_path: object) -> None:
    assert told_of_results(Settings.load(data_dir=tmp_path)) == []
    settings = Settings.load(data_dir=tmp_path, results_fhir="https://ehr/fhir")
    assert told_of_results(settings) == [MessageTo(kind="fhir", destination="https://ehr/fhir")]


def test_hl7_that_is_down_is_waited_for_and_told_everything_once_in_order(
    archive: Archive, settings: Settings, deliver: Callable[[MessageKind], int]
) -> None:
    names = publish_all(archive, settings, "AABABC")
    for _ in range(3):
        assert deliver("hl7") == 0
    assert due_messages(archive, "hl7") == []  # each waits its turn
    with Hl7Listener(answer_with("AA"), port=port_of(settings.results_hl7)) as listener:
        sent = 0
        while more := deliver("hl7"):
            sent += more
        assert sent == len(names) == len(set(listener.control_ids()))
    orders = [each.split(b"\rOBR")[1].split(b"|")[3] for each in listener.messages]
    told = [each.partition(b"^")[0].decode() for each in orders]
    # Patient A has 1, 2 and 4; B has 3 and 5; C has 6.
    for numbers in ((0, 1, 3), (2, 4)):
        places = [told.index(names[number]) for number in numbers]
        assert places == sorted(places)
    assert {each.state for each in sent_messages(archive) if each.to.kind == "hl7"} == {"delivered"}
    # FHIR is another matter.
    assert {each.state for each in sent_messages(archive) if each.to.kind == "fhir"} == {"waiting"}


def test_fhir_that_is_down_is_waited_for_and_told_everything_once_in_order(
    archive: Archive, settings: Settings, deliver: Callable[[MessageKind], int]
) -> None:
    names = publish_all(archive, settings, "AAB")
    for _ in range(2):
        assert deliver("fhir") == 0
    # It does what it is told and its answer is lost: the same is told again.
    server = FhirServer(lose_answers=1)
    with server.serve(port=port_of(settings.results_fhir)):
        while deliver("fhir"):
            pass
    told = [each["id"] for each in server.of_type("DiagnosticReport")]
    assert sorted(told) == sorted(names)
    assert told.index(names[0]) < told.index(names[1])
    assert len(server.of_type("Patient")) == 2
    assert len(server.bundles) == len(names) + 1
    assert len(set(server.ids())) == len(names)


def test_a_refused_message_holds_up_its_patient_alone_and_is_given_up(
    archive: Archive, settings: Settings, deliver: Callable[..., int]
) -> None:
    first, second, third = publish_all(archive, settings, "AAB")
    refusal = "ERR|||204^Unknown^HL70357|E||||no Probe of number A born in A1"

    def answering(connection: object, message: bytes) -> None:
        error = refusal if first.encode() in message else ""
        answer_with("AE" if error else "AA", error=error)(connection, message)  # type: ignore[arg-type]

    def states() -> dict[str, tuple[str, str]]:
        listed = (each for each in sent_messages(archive) if each.to.kind == "hl7")
        return {each.lineage_id: (each.state, each.problem) for each in listed}

    with Hl7Listener(answering, port=port_of(settings.results_hl7)) as listener:
        assert deliver("hl7", 2) == 1
        problem = f"{settings.results_hl7} answered AE: no *** of number *** born in ***"
        assert states() == {
            first: ("waiting", problem),
            second: ("waiting", ""),
            third: ("delivered", ""),
        }
        assert deliver("hl7", 2) == 0
        assert states()[first] == ("failed", problem)
        assert deliver("hl7", 2) == 1
        assert states()[second] == ("delivered", "")
        assert len(listener.messages) == 4


def test_a_kill_between_sending_and_recording_repeats_the_same_hl7_message(
    archive: Archive, settings: Settings, deliver: Callable[[MessageKind], int]
) -> None:
    publish_all(archive, settings, "A")
    with Hl7Listener(answer_with("AA"), port=port_of(settings.results_hl7)) as listener:
        assert killed(settings, "hl7") == -9
        assert due_messages(archive, "hl7")[0].attempts == 0
        assert deliver("hl7") == 1
        first, again = listener.messages
    assert first == again
    assert control_id_of(first)


def test_a_kill_between_sending_and_recording_repeats_the_same_transaction(
    archive: Archive, settings: Settings, deliver: Callable[[MessageKind], int]
) -> None:
    (name,) = publish_all(archive, settings, "A")
    server = FhirServer()
    with server.serve(port=port_of(settings.results_fhir)):
        assert killed(settings, "fhir") == -9
        once = dict(server.resources)
        assert deliver("fhir") == 1
    first, again = server.bundles
    assert first == again
    assert server.resources == once
    assert [each["id"] for each in server.of_type("DiagnosticReport")] == [name]


def killed(settings: Settings, kind: str) -> int:
    """Tell in a process that is killed before it records; return how it ended."""
    return subprocess.run(
        [sys.executable, "-c", _TELL_AND_DIE, str(settings.data_dir), kind], check=False
    ).returncode


def test_our_own_listener_ties_what_it_is_told_to_the_study_it_knows(
    archive: Archive, settings: Settings, deliver: Callable[[MessageKind], int]
) -> None:
    port = port_of(settings.results_hl7)
    listener = MllpListener(archive, settings.model_copy(update={"hl7_port": port}))
    listener.start()
    try:
        publish_all(archive, settings, "A")
        assert deliver("hl7") == 1
    finally:
        listener.stop()
    (kept,) = messages(archive)
    assert (kept.state, kept.kind) == ("taken", "ORU^R01")
    with archive.database.read() as connection:
        (tie,) = connection.execute(sa.select(CLINICAL_TIE)).all()
    assert tie.study_uid == f"{ROOT}.1"
