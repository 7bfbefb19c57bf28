"""Releases: re-keyed per project, stable, on record, and without a face where public."""

import dataclasses
import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from sightline.archive.patients import Occasion
from sightline.catalog.hub_tables import INSTANCE, SERIES, STUDY
from sightline.deid.releasing import Order, release
from sightline.errors import Refused
from sightline.formats.dicom_file import read_header
from sightline.formats.text_sr import write_text_sr
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version
from sightline.hub.exporting import MANIFEST_FILE, Exported
from sightline.hub.reading import find_studies
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.values.collection import CollectionVersion
from sightline.values.identity import (
    HubInstanceUid,
    HubSeriesUid,
    HubStudyUid,
    SubjectId,
)
from sightline.values.report import DeidentifiedReport
from sightline.values.study import Certificate, DeidentifiedInstance, DeidentifiedStudy
from tests.deid.house import ANNA, House, bring, house
from tests.deid.studies import private_uids, volume

__all__ = ["house"]

CLASSES = ("lesion", "lung", "ground_glass")


@pytest.fixture
def chosen(house: House, tmp_path: Path) -> CollectionVersion:
    """Give a collection of three series of two patients, each with a mask."""
    for seed, number in ((1, 0), (1, 1), (2, 0)):
        series = write_series(
            volume(), tmp_path / f"in-{seed}-{number}", visit=visit(seed, number=number)
        )
        bring(house, series, 2 * seed + number, CLASSES)
    return make_version(house.hub, "lesions", Criteria(classes=CLASSES))


def test_reports_leave_under_names_and_dates_of_the_project(
    house: House, chosen: CollectionVersion, tmp_path: Path
) -> None:
    uid = find_studies(house.hub)[0].uid
    text = "Dr. [NAME 04711] on [MOVED 2020-02-06]: 8 mm."
    subject = find_studies(house.hub)[0].subject_id
    report = DeidentifiedReport(
        study_uid=uid, subject_id=subject, kind="report", date="20200206", title="CT", text=text,
        unit="", status="F", replaced={},
    )  # fmt: skip
    content = write_text_sr(
        report, instance_uid="2.25.71", series_uid="2.25.72", study_date="20200204"
    )
    admit(house.hub, deidentified(report, content))
    texts = []
    for project in ("one", "two"):
        folder = tmp_path / project
        order = Order(chosen=chosen, folder=folder, project=project, is_public=False)
        done = release(house.book, house.hub, order, occasion=ANNA, on_progress=lambda _: None)
        assert done.reports == 1
        (path,) = folder.rglob("*.txt")
        dataset = pydicom.dcmread(path.with_suffix(".dcm"))
        (moved,) = re.findall(r"MOVED (\S+)]", path.read_text())
        assert moved == dt.date.fromisoformat(dataset.ContentDate).isoformat()
        texts.append(path.read_text())
    assert not {"04711", "2020-02-06"} & set(re.findall(r"\d{5}|\d{4}-\d\d-\d\d", "".join(texts)))
    assert texts[0] != texts[1]


def deidentified(report: DeidentifiedReport, content: bytes) -> DeidentifiedStudy:
    assert report.study_uid is not None
    header = read_header(content)
    instance = DeidentifiedInstance(
        uid=HubInstanceUid(header.instance_uid),
        series_uid=HubSeriesUid(header.series_uid),
        sop_class_uid=header.sop_class_uid,
        content=content,
    )
    return dataclasses.replace(
        study_of_hub(report.study_uid, report.subject_id), instances=(instance,)
    )


def study_of_hub(uid: HubStudyUid, subject_id: SubjectId) -> DeidentifiedStudy:
    certificate = Certificate(
        study_uid=uid, subject_id=subject_id, profile="", table_edition="", options=(), actions={},
        outputs={}, held={}, created_at="",
    )  # fmt: skip
    return DeidentifiedStudy(uid=uid, subject_id=subject_id, instances=(), certificate=certificate)


def released(
    house: House, chosen: CollectionVersion, folder: Path, project: str, *, public: bool = False
) -> Exported:
    """Release a version; faces that are looked for are never certain."""
    clear_faces = unsure_of_the_face if public else None
    order = Order(chosen=chosen, folder=folder, project=project, is_public=public)
    return release(
        house.book,
        house.hub,
        order,
        occasion=ANNA,
        on_progress=lambda _: None,
        clear_faces=clear_faces,
    )


def unsure_of_the_face(_contents: Sequence[bytes]) -> Sequence[bytes]:
    raise Refused("no head", hint="Leave the series out.")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def uids_in(folder: Path) -> set[str]:
    return set().union(*(private_uids(pydicom.dcmread(path)) for path in folder.rglob("*.dcm")))


def test_two_projects_share_nothing_and_neither_shares_with_the_hub(
    house: House, chosen: CollectionVersion, tmp_path: Path
) -> None:
    done = released(house, chosen, tmp_path / "a", "trial-7")
    released(house, chosen, tmp_path / "b", "trial-8")
    assert (done.series, done.subjects, done.withheld) == (3, 2, ())
    with house.hub.database.read() as connection:
        hub = {
            str(value)
            for query in (
                *(sa.select(INSTANCE.c.uid), sa.select(SERIES.c.uid)),
                *(sa.select(STUDY.c.uid), sa.select(STUDY.c.subject_id)),
            )
            for value in connection.execute(query).scalars()
        }
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert len(first) == len(second) == done.instances + 2
    for name, content in (*first.items(), *second.items()):
        for identifier in hub:
            assert identifier not in name
            assert identifier.encode() not in content
    assert set(first) & set(second) == {"splits.tsv", MANIFEST_FILE}
    assert not uids_in(tmp_path / "a") & uids_in(tmp_path / "b")
    assert not {*map(_subject, first)} & {*map(_subject, second)} - {"splits.tsv", MANIFEST_FILE}


def _subject(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


def test_a_release_is_the_same_every_time(
    house: House, chosen: CollectionVersion, tmp_path: Path
) -> None:
    first = released(house, chosen, tmp_path / "a", "trial-7")
    again = released(house, chosen, tmp_path / "b", "trial-7")
    assert first == again
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_masks_are_released_with_their_images_and_find_them(
    house: House, chosen: CollectionVersion, tmp_path: Path
) -> None:
    released(house, chosen, tmp_path / "a", "trial-7")
    objects = [pydicom.dcmread(path) for path in (tmp_path / "a").rglob("*.dcm")]
    images = {each.SOPInstanceUID for each in objects if each.Modality == "CT"}
    masks = [each for each in objects if each.Modality == "SEG"]
    assert len(masks) == 3
    for mask in masks:
        for series in mask.ReferencedSeriesSequence:
            assert {
                each.ReferencedSOPInstanceUID for each in series.ReferencedInstanceSequence
            } <= images


def test_the_manifest_names_every_file_and_the_log_names_the_manifest(
    house: House, chosen: CollectionVersion, tmp_path: Path
) -> None:
    done = released(house, chosen, tmp_path / "a", "trial-7")
    manifest = (tmp_path / "a" / MANIFEST_FILE).read_bytes()
    files = json.loads(manifest)["files"]
    assert files == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(tmp_path / "a").items()
        if name != MANIFEST_FILE
    }
    assert done.manifest == hashlib.sha256(manifest).hexdigest()
    assert done.instances == len(list((tmp_path / "a").rglob("*.dcm")))
    (entry,) = house.audited("collection_released")
    assert entry.event.actor == "anna"
    assert entry.event.objects == (
        *("project:trial-7", "collection:lesions@1", f"manifest:{done.manifest}"),
    )
    assert "18 instances of 3 series of 2 subjects, 0 series withheld" in entry.event.reason


@pytest.mark.usefixtures("chosen")
def test_a_public_release_leaves_out_what_may_show_a_face_and_its_mask(
    house: House, tmp_path: Path
) -> None:
    head = write_series(volume(), tmp_path / "head", visit=visit(3))
    for path in head.files:
        dataset = pydicom.dcmread(path)
        dataset.BodyPartExamined, dataset.StudyDescription = "HEAD", "Head"
        dataset.SeriesDescription = "Head"
        dataset.save_as(path)
    bring(house, head, 9, CLASSES)
    version = make_version(house.hub, "lesions", Criteria(classes=CLASSES))
    inside = released(house, version, tmp_path / "inside", "trial-7")
    public = released(house, version, tmp_path / "public", "trial-7", public=True)
    assert (inside.series, public.series, len(public.withheld)) == (4, 3, 1)
    assert inside.instances - public.instances == len(head.files) + 1
    for path in (tmp_path / "public").rglob("*.dcm"):
        assert pydicom.dcmread(path).get("RecognizableVisualFeatures", "NO") == "NO"


def test_a_release_needs_a_name_and_a_reason(
    house: House, chosen: CollectionVersion, tmp_path: Path
) -> None:
    order = Order(chosen=chosen, folder=tmp_path / "a", project="trial-7", is_public=False)
    for occasion in (Occasion(actor="", reason="x"), Occasion(actor="anna", reason=" ")):
        with pytest.raises(Refused, match="name and a reason"):
            release(house.book, house.hub, order, occasion=occasion, on_progress=lambda _: None)
    assert not (tmp_path / "a").exists()
    assert house.audited("collection_released") == []
