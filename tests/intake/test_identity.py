"""207 cases of who is who, through real MLLP messages, C-STORE and import."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.search import Window, search_studies
from sightline.archive.search_keys import Keys
from sightline.archive.studies import study
from sightline.archive.worklist import worklist
from sightline.audit.anchor import Anchor
from sightline.catalog.archive_tables import PATIENT, STUDY
from sightline.intake.dimse import Listener
from sightline.intake.files import import_path
from sightline.intake.mllp import MllpListener
from sightline.peers.dimse import Destination, send
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from tests.counterparties import HOST
from tests.instances import ROOT, part10_of, slice_of
from tests.intake.identity_cases import CASES, Case
from tests.mllp import Sender, code_of, message
from tests.notes import note

ISSUERS = "NORTHCT=NORTH, SOUTHCT=SOUTH, NORTHHIS=NORTH, SOUTHHIS=SOUTH"
SEND = re.compile(r"(store|import)(?:@(\w+))? S(\d)/(\d):([\w.]+)(\*?)")
NOTE = re.compile(r"(?:reject|note) (\d+) S(\d)(?:>S(\d))?:([\w.]+)/([\d,]+)")
MESSAGE = re.compile(r"(A\d\d)(m?)(?:@(\w+))? (\S+)(.*)")
FIELD = re.compile(r"(name|birth|sex)=(\S+)")


@dataclasses.dataclass
class House:
    """A hospital's part of the world: an archive with its two listeners, and their senders."""

    settings: Settings
    archive: Archive
    dimse: Listener
    hl7: Sender
    folder: Path

    def play(self, case: Case, number: int) -> None:
        player = _Player(self, number)
        for step in case.steps.split(";"):
            player.take(step.strip())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    settings = Settings(data_dir=folder / "data", dimse_port=0, default_issuers=ISSUERS)
    archive = Archive.open(settings)
    dimse, hl7 = Listener(archive, settings), MllpListener(archive, settings)
    dimse.start()
    hl7.start()
    with Sender(hl7.port) as sender:
        yield House(settings, archive, dimse, sender, folder)
    hl7.stop()
    dimse.stop()
    anchor = Anchor.open(settings)
    anchor.advance(archive.database)  # as the worker does
    assert anchor.verify(archive.database).faults == ()
    archive.close()


def test_there_are_as_many_cases_as_promised() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("number", "case"), list(enumerate(CASES)), ids=[case.name for case in CASES]
)
def test_it_ends_as_the_table_says(house: House, number: int, case: Case) -> None:
    house.play(case, number)
    for expectation in case.ends.split(";"):
        what, _, wanted = expectation.strip().partition("=")
        found = _found(house, number, what)
        if ":" not in wanted:  # the number of instances is of no matter
            found = found.partition(":")[0]
        assert found == wanted, (case.steps, what)


class _Player:
    def __init__(self, house: House, number: int) -> None:
        self._house = house
        self._number = number
        self._sent: list[bytes] = []

    def take(self, step: str) -> None:
        step, _, wanted = (part.strip() for part in step.partition("!"))
        if match := SEND.fullmatch(step):
            self._send(match)
        elif match := NOTE.fullmatch(step):
            self._note(match)
        elif match := re.fullmatch(r"again (\d)", step):
            self._say(self._sent[int(match[1]) - 1], wanted or "AA")
        else:
            match = MESSAGE.fullmatch(step)
            assert match is not None, step
            self._sent.append(self._message(match))
            self._say(self._sent[-1], wanted or "AA")

    def _say(self, content: bytes, wanted: str) -> None:
        answer = self._house.hl7.send(content)
        assert code_of(answer) == wanted, answer

    def _message(self, match: re.Match[str]) -> bytes:
        kind, with_mrg, facility, who, said = match.groups()
        persons = re.split("[>,]", who)
        if kind == "A37" and not with_mrg:
            segments = [self._pid(person, "") for person in persons]
        elif len(persons) == 2:
            segments = [self._pid(persons[1], ""), f"MRG|{self._cx(persons[0])}"]
        else:
            segments = [self._pid(persons[0], said)]
        control_id = f"{self._number}.{len(self._sent)}"
        facility = facility or "HOUSE"
        return message(f"ADT^{kind}", *segments, control_id=control_id, facility=facility)

    def _pid(self, who: str, said: str) -> str:
        fields = dict(FIELD.findall(said))
        name, birth = fields.get("name", ""), fields.get("birth", "")
        return f"PID|1||{self._cx(who)}||{name}||{birth}|{fields.get('sex', '')}"

    def _cx(self, who: str) -> str:
        letter, _, issuer = who.partition(".")
        return "" if letter == "-" else f"{self._id(letter)}^^^{issuer}^MR"

    def _id(self, letter: str) -> str:
        return f"{self._number}{letter}"

    def _send(self, match: re.Match[str]) -> None:
        how, sender, study_number, number, who, is_other = match.groups()
        letter, _, issuer = who.partition(".")
        study_uid = study_uid_of(self._number, study_number)
        dataset = slice_of(
            int(number) + (100 if is_other else 0),
            size=4,
            StudyInstanceUID=study_uid,
            SeriesInstanceUID=f"{study_uid}.0",
            SOPInstanceUID=f"{study_uid}.0.{number}",
            PatientID=self._id(letter),
        )
        if issuer:
            dataset.IssuerOfPatientID = issuer
        self._deliver(part10_of(dataset), how, sender or "TESTER")

    def _note(self, match: re.Match[str]) -> None:
        code, where, named, who, numbers = match.groups()
        study_uid = study_uid_of(self._number, where)
        other = study_uid_of(self._number, named or where)
        letter, _, issuer = who.partition(".")
        content = note(
            code,
            study_uid=study_uid,
            patient_id=self._id(letter) + (f".{issuer}" if issuer else ""),
            uid=f"{study_uid}.9",
            named={other: [f"{other}.0.{number}" for number in numbers.split(",")]},
        )
        self._deliver(content, "store", "TESTER")

    def _deliver(self, content: bytes, how: str, sender: str) -> None:
        path = self._house.folder / "instance.dcm"
        path.write_bytes(content)
        if how == "store":
            destination = Destination(ae_title="SIGHTLINE", host=HOST, port=self._house.dimse.port)
            assert send(destination, [path], calling_ae=sender).instances == 1
        else:
            import_path(self._house.archive, path)


def study_uid_of(case: int, study_number: str) -> str:
    return f"{ROOT}.7.{case}.{study_number}"


def _found(house: House, number: int, what: str) -> str:
    """Say what there is, in the words of the table."""
    if re.fullmatch(r"S\d", what):
        return _study(house, number, what[1])
    if what == "held":
        prefix = f"{ROOT}.7.{number}."
        return str(sum(each.study_uid.startswith(prefix) for each in holdings(house.archive)))
    with house.archive.database.read() as connection:
        rows = connection.execute(sa.select(PATIENT)).all()
    mine = [row for row in rows if re.fullmatch(rf"{number}[A-Z]", row.patient_id)]
    if what == "patients":
        return str(len(mine))
    who, _, field = what.rpartition(".")
    letter, _, issuer = who.partition(".")
    (row,) = [each for each in mine if (each.patient_id[-1], each.issuer) == (letter, issuer)]
    return str({"name": row.name, "birth": row.birth_date, "sex": row.sex}[field])


def _study(house: House, number: int, which: str) -> str:
    """Tell whose a study is, as every reader of the archive sees it."""
    uid = StudyUid(study_uid_of(number, which))
    with house.archive.database.read() as connection:
        is_there = connection.execute(sa.select(STUDY.c.uid).where(STUDY.c.uid == uid)).first()
    found = search_studies(house.archive, Keys(study_uids=(uid,)), Window()).found
    listed = [
        entry.study
        for entry in worklist(house.archive, since=0.0, words=str(number), limit=10_000).entries
        if entry.study.uid == uid
    ]
    assert [each.patient for each in listed] == [each.patient for each in found]
    if not found:
        assert is_there is None or study(house.archive, uid).instances == ()
        return "hidden" if is_there else "none"
    patient = found[0].patient
    at_the_door = study(house.archive, uid)
    assert at_the_door.patient == patient
    assert len(at_the_door.instances) == found[0].instances
    letter = patient.patient_id.removeprefix(str(number))
    return f"{letter}{'.' if patient.issuer else ''}{patient.issuer}:{found[0].instances}"
