"""Studies of files, and what is in the instances that passed."""

import dataclasses
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID_dictionary

from sightline.deid.door import Passage, pass_door
from sightline.deid.vault import Vault
from sightline.errors import NotDicom
from sightline.formats.dicom_file import read_header
from sightline.formats.result_object import read_sources
from sightline.formats.seg import read_seg_origin, write_seg
from sightline.formats.sr import write_sr
from sightline.phantoms.series import WrittenSeries
from sightline.values.finding import Finding, Measurement
from sightline.values.geometry import Geometry
from sightline.values.identity import (
    InstanceUid,
    Patient,
    SeriesUid,
    StudyUid,
)
from sightline.values.study import DeidentifiedStudy, IdentifiedStudy
from sightline.values.volume import Volume
from tests.deid.conftest import instance_at, instance_of
from tests.formats.sources import IDENTITY, drawn_on

LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"


def content_of(passage: Passage) -> bytes:
    assert passage.held == ()
    assert passage.study is not None
    return passage.study.instances[0].content


_VRS = ("CS", "DA", "DS", "FL", "IS", "LO", "LT", "OB", "PN", "SH", "SQ", "ST", "UI", "UN", "US")


def read(content: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(content))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def volume() -> Volume:
    voxels = np.random.default_rng(5).integers(0, 2000, (5, 8, 8), dtype=np.int16)
    geometry = Geometry.from_affine(voxels.shape, np.diag([3.0, 0.8, 0.8, 1.0])[[2, 1, 0, 3]])
    return Volume(voxels=voxels, geometry=geometry, modality="CT", intercept=-1024.0, unit="HU")


def study_in(files: Iterable[Path]) -> IdentifiedStudy:
    """Make a study of files where they lie."""
    headers = [(path, read_header(path.read_bytes())) for path in files]
    first = headers[0][1]
    instances = tuple(instance_at(path, header) for path, header in headers)
    patient = first.patient if first.patient.patient_id else Patient(patient_id="NOBODY")
    return IdentifiedStudy(
        uid=StudyUid(first.study_uid), patient=patient, revision=1, instances=instances
    )


def pass_files(files: Sequence[Path], vault: Vault) -> DeidentifiedStudy:
    passage = pass_door(study_in(files), vault)
    assert passage.held == ()
    assert passage.study is not None
    return passage.study


def write(study: DeidentifiedStudy, folder: Path) -> list[Path]:
    folder.mkdir()
    return [
        written(folder / f"{number}.dcm", each.content)
        for number, each in enumerate(study.instances)
    ]


def results_of(series: WrittenSeries) -> tuple[bytes, bytes]:
    """Draw on a series and measure it: a segmentation and a report."""
    drawn = dataclasses.replace(drawn_on(series), classes=("lesion", "lung", "ground_glass"))
    seg = write_seg(drawn, series.files, identity=IDENTITY, is_manual=False)
    finding = Finding(
        priority=1,
        words="lesion 3 ml",
        measurements=tuple(
            Measurement(
                class_name=name,
                volume_ml=3.5,
                longest_diameter_mm=20.0,
                components=1,
                tracking_uid=uid,
            )
            for name, uid in zip(drawn.classes, read_seg_origin(seg).tracking_uids, strict=True)
        ),
    )
    names = dataclasses.replace(
        IDENTITY, instance_uid=InstanceUid("2.25.2001"), series_uid=SeriesUid("2.25.2000")
    )
    return seg, write_sr(finding, read_sources(series.files), seg, identity=names)


def values_of(dataset: pydicom.Dataset, keyword: str) -> Iterator[str]:
    for element in dataset.iterall():
        if element.keyword == keyword:
            yield str(element.value)


def private_uids(dataset: pydicom.Dataset) -> set[str]:
    """UIDs that the standard does not list."""
    found = {
        str(uid)
        for element in dataset.iterall()
        if element.VR == "UI" and element.value
        for uid in ([element.value] if isinstance(element.value, str) else element.value)
    }
    # pydicom's copy of the standard does not know the newest storage class.
    return found - set(UID_dictionary) - {LABEL_MAP_SEGMENTATION}


def uids_of(study: DeidentifiedStudy) -> set[str]:
    return set().union(*(private_uids(read(each.content)) for each in study.instances))


def dicom_files(folder: Path, *, deep: bool = True) -> Iterator[Path]:
    """Files that a receiver would have kept."""
    for path in sorted(folder.rglob("*") if deep else folder.iterdir()):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            try:
                read_header(path.read_bytes())
            except NotDicom:
                continue
            yield path


def assert_uids_are_mapped(path: Path, content: bytes, vault: Vault) -> None:
    before = private_uids(pydicom.dcmread(path, stop_before_pixels=True))
    after = private_uids(pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True))
    assert after <= {vault.uid(uid) for uid in before}


def general(errors: Iterable[str]) -> set[str]:
    """Errors without the values and UIDs that they quote; each still names its attribute."""
    return {re.sub(r"= <[^>]*>|[0-9.]{20,}", "", error) for error in errors}


def study_of_dataset(
    folder: Path, dataset: pydicom.FileDataset, patient: Patient
) -> IdentifiedStudy:
    """Make a study of one instance, kept in `folder`."""
    with io.BytesIO() as file:
        dataset.save_as(file)
        content = file.getvalue()
    header = read_header(content)
    return IdentifiedStudy(
        uid=StudyUid(header.study_uid),
        patient=patient,
        revision=1,
        instances=(instance_of(folder, content, header),),
    )
