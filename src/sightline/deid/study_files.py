"""Files of a folder, grouped into the studies they belong to."""

import mmap
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeAlias, cast

from sightline.errors import NotDicom
from sightline.formats.dicom_file import Header, read_header
from sightline.values.identity import Digest, InstanceUid, Patient, SeriesUid, StudyUid
from sightline.values.study import IdentifiedInstance, IdentifiedStudy

# Study Instance UID, Patient ID and its issuer.
_StudyKey: TypeAlias = tuple[str, str, str]
_FILES_AT_A_TIME = 64


def read_studies(
    paths: list[Path], workers: Executor | None = None
) -> tuple[list[IdentifiedStudy], list[Path]]:
    """Group files into studies; return those that are no DICOM file apart.

    Args:
        paths: the files.
        workers: processes that read beside this one.

    Raises:
        OSError: A file cannot be read.
    """
    patients: dict[_StudyKey, Patient] = {}
    instances: dict[_StudyKey, dict[str, IdentifiedInstance]] = {}
    not_dicom: list[Path] = []
    for path, header in zip(paths, _headers_of(paths, workers), strict=True):
        if header is None:
            not_dicom.append(path)
            continue
        patient = header.patient
        key = (header.study_uid, patient.patient_id, patient.issuer)
        patients.setdefault(key, patient)
        # A second copy of an instance is the same instance.
        found = instances.setdefault(key, {})
        found.setdefault(header.instance_uid, _instance(path, header))
    _join_without_issuer(patients, instances)
    studies = [
        IdentifiedStudy(
            uid=StudyUid(key[0]),
            patient=patients[key],
            revision=1,
            instances=tuple(instances[key].values()),
        )
        for key in patients
    ]
    return studies, not_dicom


def _join_without_issuer(
    patients: dict[_StudyKey, Patient], instances: dict[_StudyKey, dict[str, IdentifiedInstance]]
) -> None:
    """Give what was made of a study's images, and names no issuer, to the images' patient."""
    for key in [key for key in patients if not key[2]]:
        named = [other for other in patients if other[:2] == key[:2] and other[2]]
        if len(named) == 1:
            instances[named[0]] = instances.pop(key) | instances[named[0]]
            del patients[key]


def _headers_of(paths: list[Path], workers: Executor | None) -> Iterator[Header | None]:
    """Give the header of each file; None for one that is no DICOM file."""
    if workers is None or len(paths) <= _FILES_AT_A_TIME:
        return map(_header_of, paths)
    return workers.map(_header_of, paths, chunksize=_FILES_AT_A_TIME)


def _header_of(path: Path) -> Header | None:
    """Read the header without the pixels, which lie where nobody looks."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return None
        with content:
            try:
                return read_header(cast("bytes", content))
            except NotDicom:
                return None


def _instance(path: Path, header: Header) -> IdentifiedInstance:
    return IdentifiedInstance(
        uid=InstanceUid(header.instance_uid),
        series_uid=SeriesUid(header.series_uid),
        sop_class_uid=header.sop_class_uid,
        digest=Digest(""),
        read=path.read_bytes,
        size_bytes=path.stat().st_size,
    )
