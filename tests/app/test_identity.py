"""Merges, unmerges and rejections reach the vault's names, the hub and lineage."""

import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from sightline.app.study_job import StudyJob
from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.audit.chain import entries
from sightline.catalog.hub_tables import INSTANCE, NODE, SERIES, STUDY
from sightline.deid.hub_door import HubDoor
from sightline.deid.vault import Vault
from sightline.hub.collections import Criteria, Shares, make_version
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.subjects import MERGED_INTO
from sightline.hub.withdrawal import WITHDRAWN
from sightline.intake.mllp import Hl7Receiver
from sightline.serve.engine import Engine
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import Digest, Patient, SubjectId
from tests.instances import ROOT, part10_of, slice_of
from tests.mllp import code_of, message
from tests.notes import note

SLICES = 4


class House:
    """An archive, a hub and the road between them, walked by hand."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder / "data")
        self.archive, self.hub = Archive.open(self.settings), Hub.open(self.settings)
        self.vault = Vault.open(self.settings)
        engine = Engine(self.hub, threads=1)
        door = HubDoor.open(self.settings)
        self._job = StudyJob(self.settings, self.archive, self.hub, door, engine)
        self._hl7 = Hl7Receiver(self.archive, self.settings)
        self._said = 0

    def close(self) -> None:
        self.archive.close()
        self.hub.close()

    def receive(self, study: str, patient: str, *, date: str = "20240131", first: int = 1) -> None:
        for number in range(first, first + SLICES):
            dataset = slice_of(
                number,
                StudyInstanceUID=study,
                SeriesInstanceUID=f"{study}.0",
                SOPInstanceUID=f"{study}.0.{number}",
                PatientID=patient,
                StudyDate=date,
            )
            keep(self.archive, part10_of(dataset), Source(name="test"))

    def say(self, kind: str, *segments: str) -> None:
        self.tell(f"ADT^{kind}", *segments)

    def tell(self, kind: str, *segments: str) -> None:
        self._said += 1
        content = message(kind, *segments, control_id=str(self._said))
        assert code_of(self._hl7.receive(content)) == "AA"

    def pass_door(self, *studies: str) -> None:
        for study in studies:
            self._job.pass_study(study)

    def pass_records(self, *studies: str) -> None:
        for study in studies:
            self._job.pass_records(study)

    def subject(self, patient: str) -> SubjectId:
        return self.vault.pseudonym(Patient(patient_id=patient))

    def hub_study(self, study: str) -> tuple[str, str]:
        """Return subject and date of a study in the hub."""
        with self.hub.database.read() as connection:
            row = connection.execute(
                sa.select(STUDY).where(STUDY.c.uid == self.vault.uid(study))
            ).one()
            series = connection.execute(
                sa.select(SERIES.c.subject_id).where(SERIES.c.study_uid == row.uid)
            ).scalars()
            assert set(series) == {row.subject_id}
        return row.subject_id, row.study_date

    def contents(self, study: str) -> list[pydicom.Dataset]:
        """Return what the hub gives of a study."""
        with self.hub.database.read() as connection:
            rows = connection.execute(
                sa.select(INSTANCE.c.digest)
                .join(SERIES, INSTANCE.c.series_uid == SERIES.c.uid)
                .where(SERIES.c.study_uid == self.vault.uid(study), INSTANCE.c.withdrawn == "")
            ).scalars()
            return [pydicom.dcmread(io.BytesIO(self.hub.objects.get(each))) for each in rows]

    def below(self, subject: SubjectId) -> set[str]:
        return {step.node.name for step in trace(self.hub, subject, "down").steps}

    def facts(self, id_: str) -> dict[str, str]:
        with self.hub.database.read() as connection:
            query = sa.select(NODE.c.facts).where(NODE.c.id == id_)
            found: dict[str, str] = connection.execute(query).scalar_one()
        return found

    def audited(self) -> list[str]:
        return [each.event.action for each in entries(self.archive.database)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


OF_A, OF_B, LATER = f"{ROOT}.8.1", f"{ROOT}.8.2", f"{ROOT}.8.3"


def test_a_merge_makes_one_subject_and_an_unmerge_two_again(house: House) -> None:
    house.receive(OF_A, "A", date="20240101")
    house.receive(OF_B, "B", date="20240301")
    house.pass_door(OF_A, OF_B)
    a, b = house.subject("A"), house.subject("B")
    assert (house.hub_study(OF_A)[0], house.hub_study(OF_B)[0]) == (a, b)

    house.say("A40", "PID|||B^^^^MR", "MRG|A^^^^MR")
    house.receive(LATER, "A", date="20240401")  # a sender that has not heard of it
    house.pass_door(OF_A, OF_B, LATER)
    found = [house.hub_study(study) for study in (OF_A, OF_B, LATER)]
    assert [subject for subject, _ in found] == [b, b, b]
    dates = [dt.date.fromisoformat(date) for _, date in found]
    assert [(each - dates[0]).days for each in dates] == [0, 60, 91]  # as in 2024
    for study in (OF_A, OF_B, LATER):
        assert {each.PatientID for each in house.contents(study)} == {b}
    series = {house.vault.uid(f"{study}.0") for study in (OF_A, OF_B, LATER)}
    assert house.below(b) >= series
    assert house.below(a) == set()
    assert house.facts(a) == {MERGED_INTO: b}

    house.say("A37", "PID|||B^^^^MR", "PID|||A^^^^MR")
    house.pass_door(OF_A, OF_B, LATER)
    found = [house.hub_study(study) for study in (OF_A, OF_B, LATER)]
    assert [subject for subject, _ in found] == [a, b, a]
    assert house.below(a) == {house.vault.uid(f"{study}.0") for study in (OF_A, LATER)}
    assert house.below(b) == {house.vault.uid(f"{OF_B}.0")}
    assert house.facts(a) == house.facts(b) == {}
    assert house.audited() == [
        "patient_merged",
        "study_relinked",
        "patient_unmerged",
        "study_relinked",
        "study_relinked",
    ]
    for each in entries(house.archive.database):  # no entry joins the two stores
        named = " ".join(each.event.objects)
        assert not ("patient:" in named and (a in named or b in named))


def test_a_study_passes_again_without_change_where_nothing_was_merged(house: House) -> None:
    house.receive(OF_A, "A")
    house.pass_door(OF_A)
    before = house.hub_study(OF_A), [each.SOPInstanceUID for each in house.contents(OF_A)]
    house.pass_door(OF_A)
    assert before == (
        house.hub_study(OF_A),
        [each.SOPInstanceUID for each in house.contents(OF_A)],
    )
    assert house.audited() == []


@pytest.mark.parametrize("survivor", ["A", "B"])
def test_what_was_tested_on_stays_tested_on(house: House, survivor: str) -> None:
    """Of two subjects that become one, the stricter split holds in the next version."""
    studies = [f"{ROOT}.8.{number}" for number in range(10, 20)]
    for number, study in enumerate(studies):
        house.receive(study, f"P{number}")
    house.pass_door(*studies)
    shares = Shares(validation=0.2, test=0.3)
    before = make_version(house.hub, "all", Criteria(modality="CT"), shares=shares)
    split_of = {member.subject_id: member.split for member in before.members}
    people = {house.subject(f"P{number}"): f"P{number}" for number in range(10)}
    tested = next(people[s] for s, split in split_of.items() if split == "test")
    taught = next(people[s] for s, split in split_of.items() if split == "train")
    into, merged = (tested, taught) if survivor == "A" else (taught, tested)
    house.say("A40", f"PID|||{into}^^^^MR", f"MRG|{merged}^^^^MR")
    house.pass_door(*studies)
    after = make_version(house.hub, "all", Criteria(modality="CT"), shares=shares)
    assert after.version == 2
    splits = {m.split for m in after.members if m.subject_id == house.subject(into)}
    assert splits == {"test"}
    assert len({member.subject_id for member in after.members}) == 9
    others = {m.subject_id: m.split for m in after.members if people.get(m.subject_id) != into}
    assert all(split_of[subject] == split for subject, split in others.items())


@pytest.mark.parametrize(
    ("code", "leaves"), [("113001", True), ("113037", True), ("113038", True), ("113039", False)]
)
def test_a_rejection_reaches_the_hub_as_its_title_asks(
    house: House, code: str, leaves: bool
) -> None:
    house.receive(OF_A, "A")
    house.pass_door(OF_A)
    rejected = [f"{OF_A}.0.{number}" for number in range(1, SLICES + 1)]
    content = note(code, study_uid=OF_A, patient_id="A", uid=f"{OF_A}.9", named={OF_A: rejected})
    keep(house.archive, content, Source(name="dimse:PACS"))
    house.pass_door(OF_A)
    kept = [] if leaves else [0, 1, 2, 3]
    assert len(house.contents(OF_A)) == len(kept)
    series = house.vault.uid(f"{OF_A}.0")
    assert (WITHDRAWN in house.facts(series)) is leaves
    with house.hub.database.read() as connection:
        digest = connection.execute(
            sa.select(SERIES.c.volume_digest).where(SERIES.c.uid == series)
        ).scalar_one()
    assert bool(digest) is not leaves
    for each in rejected:  # on disk as they came
        assert house.archive.objects.get(_digest(house, each))
    audited = ["instances_rejected", "instances_withdrawn"] if leaves else ["instances_rejected"]
    assert house.audited() == audited

    house.receive(OF_A, "A", first=SLICES + 1)  # corrected, under other UIDs
    house.pass_door(OF_A)
    assert len(house.contents(OF_A)) == len(kept) + SLICES


def test_of_a_series_of_which_a_part_was_rejected_the_rest_stays(house: House) -> None:
    house.receive(OF_A, "A")
    house.pass_door(OF_A)
    last = f"{OF_A}.0.{SLICES}"
    content = note("113001", study_uid=OF_A, patient_id="A", uid=f"{OF_A}.9", named={OF_A: [last]})
    keep(house.archive, content, Source(name="dimse:PACS"))
    house.pass_door(OF_A)
    assert len(house.contents(OF_A)) == SLICES - 1
    made = make_version(house.hub, "all", Criteria(modality="CT"))
    array = house.hub.array(made.members[0].volume_digest)
    assert array.shape[0] == SLICES - 1


def _digest(house: House, instance_uid: str) -> Digest:
    with house.archive.database.read() as connection:
        digest: str = connection.exec_driver_sql(
            "SELECT digest FROM instance WHERE uid = ?", (instance_uid,)
        ).scalar_one()
    return Digest(digest)
