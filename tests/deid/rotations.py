"""A hub that was worked with, and whether anything in it still has one of its former names."""

import contextlib
import dataclasses
import datetime as dt
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pydicom
import sqlalchemy as sa

from sightline.archive.patients import Occasion
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.catalog.archive_tables import INSTANCE as KEPT
from sightline.catalog.archive_tables import STUDY as RECEIVED
from sightline.catalog.hub_tables import (
    ANNOTATION,
    CERTIFICATE,
    COLLECTION_VERSION,
    INSTANCE,
    SERIES,
    STUDY,
)
from sightline.deid.hub_door import HubDoor
from sightline.deid.key_file import KEY_FILE
from sightline.deid.patient_records import known_of_archive
from sightline.deid.reidentification import begin_escrow
from sightline.deid.releasing import Order, release
from sightline.deid.rotation import Rotation, rotate
from sightline.deid.signing import Signer
from sightline.deid.vault import Vault
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version, version
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.hub.models import add_evaluation
from sightline.hub.subjects import MERGED_INTO
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.values.arrival import Source
from sightline.values.identity import LineageId, Patient, StudyUid
from tests.deid.house import ANNA, PASSPHRASE, House
from tests.deid.house import bring as bring_series
from tests.deid.profiles import profile_with_text
from tests.deid.studies import private_uids, read, volume
from tests.hubs import add_trained
from tests.instances import ROOT, part10_of, slice_of

CLASSES = ("ground_glass", "consolidation", "lesion")
LEAKED = Occasion(actor="anna", reason="the key leaked")
COMMENT = "Nodule of 8 mm, seen by Dr. Lindner on 20240130. Mrs Kowalczyk was told."
PEOPLE, VISITS = (1, 2, 3), (0, 1)
TOLD = Patient(patient_id="4711")


def fill(house: House, folder: Path) -> None:
    """Work with a hub: visits, masks, a comment, collections, a model, a result, a release."""
    begin_escrow(
        *(house.book, house.hub, folder / "secret"),
        passphrase=PASSPHRASE,
        replace=False,
        occasion=ANNA,
    )
    for seed in PEOPLE:
        for number in VISITS:
            bring(house, folder, seed, number)
    tell(house)
    make_version(house.hub, "lesions", Criteria(classes=CLASSES))
    bring(house, folder, 4, 0)
    chosen = make_version(house.hub, "lesions", Criteria(classes=CLASSES))
    model = add_trained(house.hub, "lesions", collection="lesions@2")
    scores = [
        {"series_uid": each.series_uid, "subject_id": each.subject_id} for each in chosen.members
    ]
    content = {"dice": {"mean": 0.7}, "subjects": 1, "series": scores}
    add_evaluation(house.hub, model.lineage_id, chosen, split="test", content=content)
    with house.hub.database.write() as connection:
        result = node_of(LineageId("prediction-1"), "prediction", name="prediction-1")
        about = LineageId(chosen.members[0].series_uid)
        record(connection, result, [model.lineage_id, about])
        facts = {MERGED_INTO: chosen.members[0].subject_id}
        gone = Vault.open(house.settings).pseudonym(Patient(patient_id="GONE"))
        record(connection, node_of(LineageId(gone), "subject", name=gone, facts=facts), [])
    released(house, folder / "release")


def bring(house: House, folder: Path, seed: int, number: int) -> StudyUid:
    """Take a visit of a made-up patient, and a mask of it, through archive and door."""
    place = folder / f"in-{seed}-{number}"
    series = write_series(volume(), place, visit=visit(seed, number=number))
    return bring_series(house, series, 10 * seed + number, CLASSES)


def tell(house: House) -> None:
    """Take a study through the door whose comment names people and a day."""
    uid = f"{ROOT}.8.7"
    dataset = slice_of(
        1,
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.0",
        SOPInstanceUID=f"{uid}.0.1",
        PatientID=TOLD.patient_id,
        PatientName="Kowalczyk^Ada",
        ImageComments=COMMENT,
    )
    keep(house.archive, part10_of(dataset), Source(name="test"))
    identified = study(house.archive, StudyUid(uid))
    known = known_of_archive(house.archive, identified.patient)
    profile = profile_with_text(house.settings.data_dir)
    with_text = house.settings.model_copy(update={"deid_profile": str(profile)})
    passage = HubDoor.open(with_text).pass_study(identified, known=known)
    assert passage.study is not None
    admit(house.hub, passage.study)


def released(house: House, folder: Path) -> set[str]:
    """Release the newest lesions to a project; return its subjects."""
    chosen = version(house.hub, "lesions")
    order = Order(chosen=chosen, folder=folder, project="trial-7", is_public=False)
    release(house.book, house.hub, order, occasion=ANNA, on_progress=lambda _: None)
    return {path.name for path in folder.iterdir() if path.is_dir()}


def rotated(house: House) -> Rotation:
    """Rotate the key of a house, whose hub is closed for that and opened again."""
    house.hub.close()
    try:
        return rotate(house.book, occasion=LEAKED, tell=lambda _step, _done, _total: None)
    finally:
        house.reopen()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Everything by which a hub, or the old key, knows something."""

    texts: frozenset[str]

    @classmethod
    def of(cls, house: House) -> "Names":
        """Collect what the hub calls things, and what its keys call the archive's."""
        vault = Vault.open(house.settings)
        found = names_now(house.hub) | {vault.fingerprint, Signer(vault).public_key}
        with house.archive.database.read() as connection:
            uids = [
                *connection.execute(sa.select(KEPT.c.uid)).scalars(),
                *connection.execute(sa.select(RECEIVED.c.uid)).scalars(),
            ]
        level: Vault | None = vault
        while level is not None:
            found |= {level.uid(uid) for uid in uids}
            found |= {level.pseudonym(visit(seed).patient) for seed in PEOPLE}
            found |= {level.pseudonym(TOLD), level.reader("Reader^One")}
            level = level.inner
        return cls(texts=frozenset(filter(None, found)))

    def found_in(self, folder: Path) -> set[str]:
        """Return which of them stand in the name or the bytes of any file below a folder."""
        return {text for place in places(folder) for text in self.texts if text.encode() in place}


def names_now(hub: Hub) -> set[str]:
    """Return what a hub calls things: in its rows and in its objects."""
    return set(_names_of_rows(hub)).union(*(private_uids(read(each)) for each in objects(hub)))


def _names_of_rows(hub: Hub) -> Iterator[str]:
    columns = (
        *(STUDY.c.uid, STUDY.c.subject_id, SERIES.c.uid, INSTANCE.c.uid, INSTANCE.c.digest),
        *(ANNOTATION.c.id, ANNOTATION.c.author, COLLECTION_VERSION.c.lineage_id),
    )
    with hub.database.read() as connection:
        for column in columns:
            yield from connection.execute(sa.select(column)).scalars()
        for content in connection.execute(sa.select(CERTIFICATE.c.content)).scalars():
            yield content["signature"]


def places(folder: Path) -> Iterator[bytes]:
    """Give every path and every file, and what databases hold as text, too.

    A long value of SQLite lies on several pages, and a name might lie across two of them.
    """
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)).encode()
        if path.is_file() and path.name != KEY_FILE:
            yield path.read_bytes()
        if path.name.startswith("catalog.db") and path.suffix in {".db", ".next"}:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                yield "\n".join(connection.iterdump()).encode()


def objects(hub: Hub) -> list[bytes]:
    """Return the DICOM objects of a hub, by their UIDs."""
    with hub.database.read() as connection:
        digests = connection.execute(sa.select(INSTANCE.c.digest).order_by(INSTANCE.c.uid))
        return [hub.objects.get(digest) for digest in digests.scalars()]


def moments(hub: Hub) -> dict[str, list[dt.datetime]]:
    """Return when each subject was scanned, to the second, in order."""
    found: dict[str, set[dt.datetime]] = {}
    for content in objects(hub):
        dataset = read(content)
        found.setdefault(str(dataset.PatientID), set()).add(moment(dataset))
    return {subject: sorted(times) for subject, times in found.items()}


def moment(dataset: pydicom.Dataset) -> dt.datetime:
    text = f"{dataset.StudyDate}{str(dataset.StudyTime)[:6]}"
    return dt.datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - of the scanner


def intervals(hub: Hub) -> list[list[dt.timedelta]]:
    """Return the times between the studies of each subject, whatever they are called."""
    return sorted(
        [later - earlier for earlier, later in itertools.pairwise(times)]
        for times in moments(hub).values()
    )
