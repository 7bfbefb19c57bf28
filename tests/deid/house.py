"""An archive, a hub and the door between them, in one data directory."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.patients import Occasion
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.audit.chain import Entry, entries
from sightline.deid.door import Passage
from sightline.deid.hub_door import HubDoor
from sightline.deid.recording import Book
from sightline.deid.vault import Vault
from sightline.formats.dicom_file import read_header
from sightline.formats.seg import write_seg
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.phantoms.series import WrittenSeries
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import InstanceUid, Patient, SeriesUid, StudyUid, SubjectId
from tests.formats.sources import BY_HAND, drawn_on
from tests.instances import ROOT, part10_of, slice_of

ANNA = Occasion(actor="anna", reason="incidental finding")
PASSPHRASE = "correct horse battery"  # noqa: S105 - of a test
SLICES = 3


class House:
    """One data directory."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder / "data")
        self.archive, self.hub = Archive.open(self.settings), Hub.open(self.settings)
        self.book = Book(self.settings, self.archive)
        self.door = HubDoor.open(self.settings)

    def close(self) -> None:
        self.archive.close()
        self.hub.close()

    def reopen(self) -> None:
        """Open hub and door anew, as another process would."""
        self.hub.close()
        self.hub, self.door = Hub.open(self.settings), HubDoor.open(self.settings)

    def receive(self, number: int, patient_id: str, **attributes: object) -> StudyUid:
        """Keep a study of a few slices."""
        uid = f"{ROOT}.{number}"
        for k in range(1, SLICES + 1):
            names = {
                "StudyInstanceUID": uid,
                "SeriesInstanceUID": f"{uid}.0",
                "SOPInstanceUID": f"{uid}.0.{k}",
                "PatientID": patient_id,
                "PatientName": f"Odalind^{patient_id}",
                "PatientBirthDate": "19520314",
            }
            dataset = slice_of(k, **(names | attributes))
            keep(self.archive, part10_of(dataset), Source(name="test"))
        return StudyUid(uid)

    def pass_study(self, uid: StudyUid) -> Passage:
        """Take a study through the door into the hub."""
        passage = self.door.pass_study(study(self.archive, uid))
        if passage.study is not None:
            admit(self.hub, passage.study)
        return passage

    def subject(self, patient_id: str) -> SubjectId:
        """Tell whom a patient is in the hub."""
        return self.subject_of(Patient(patient_id=patient_id))

    def subject_of(self, patient: Patient) -> SubjectId:
        """Tell whom an identified person is in the hub."""
        return Vault.open(self.settings).pseudonym(patient)

    def audited(self, actions: str) -> list[Entry]:
        return entries(self.archive.database, actions=actions)


def bring(house: House, series: WrittenSeries, number: int, classes: tuple[str, ...]) -> StudyUid:
    """Take a series and a mask of it through the archive and the door into the hub."""
    drawn = dataclasses.replace(drawn_on(series), classes=classes)
    names = dataclasses.replace(
        BY_HAND,
        instance_uid=InstanceUid(f"2.25.{30_000 + number}"),
        series_uid=SeriesUid(f"2.25.{40_000 + number}"),
    )
    mask = write_seg(drawn, series.files, identity=names, is_manual=True)
    for content in (*(path.read_bytes() for path in series.files), mask):
        keep(house.archive, content, Source(name="test"))
    uid = StudyUid(read_header(mask).study_uid)
    assert house.pass_study(uid).held == ()
    return uid


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.close()
