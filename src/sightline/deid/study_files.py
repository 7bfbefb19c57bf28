"""Files of a folder, grouped into the studies they belong to."""

import mmap
import os
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeAlias, cast

from sightline.errors import NotDicom, Refused
from sightline.formats.dicom_file import Header, read_header
from sightline.values.identity import Digest, InstanceUid, Patient, SeriesUid, StudyUid
from sightline.values.study import IdentifiedInstance, IdentifiedStudy

# Study Instance UID, Patient ID and its issuer.
_StudyKey: TypeAlias = tuple[str, str, str]
_Instances: TypeAlias = dict[_StudyKey, dict[InstanceUid, IdentifiedInstance]]
_Found: TypeAlias = tuple[StudyUid, Patient, IdentifiedInstance]
_FILES_AT_A_TIME = 32


def files_below(source: Path) -> Iterator[Path]:
    """Give every file below a folder, or the one file; links to folders are not followed.

    Raises:
        Refused: A folder cannot be listed.
    """
    if source.is_file():
        yield source
        return
    try:
        with os.scandir(source) as entries:
            found = list(entries)
    except OSError as error:
        raise Refused(
            f"{source} cannot be listed: {error.strerror or error}",
            hint="Give who runs this the right to read it, or take it away: nothing was done yet.",
        ) from error
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)


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
    instances: _Instances = {}
    not_dicom: list[Path] = []
    for path, found in zip(paths, _all_found(paths, workers), strict=True):
        if found is None:
            not_dicom.append(path)
            continue
        study_uid, patient, instance = found
        key = (study_uid, patient.patient_id, patient.issuer)
        patients.setdefault(key, patient)
        # A second copy of an instance is the same instance.
        instances.setdefault(key, {}).setdefault(instance.uid, instance)
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


def _join_without_issuer(patients: dict[_StudyKey, Patient], instances: _Instances) -> None:
    """Give what was made of a study's images, and names no issuer, to the images' patient."""
    for key in [key for key in patients if not key[2]]:
        named = [other for other in patients if other[:2] == key[:2] and other[2]]
        if len(named) == 1:
            instances[named[0]] = instances.pop(key) | instances[named[0]]
            del patients[key]


def _all_found(paths: list[Path], workers: Executor | None) -> Iterator[_Found | None]:
    """Give the instance of each file; None for one that is no DICOM file."""
    if workers is None or len(paths) <= _FILES_AT_A_TIME:
        return map(_found_in, paths)
    return workers.map(_found_in, paths, chunksize=_FILES_AT_A_TIME)


def _found_in(path: Path) -> _Found | None:
    """Read the header without the pixels, which lie where nobody looks."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return None
        with content:
            try:
                header = read_header(cast("bytes", content))
            except NotDicom:
                return None
            return StudyUid(header.study_uid), header.patient, _instance(path, header, len(content))


def _instance(path: Path, header: Header, size_bytes: int) -> IdentifiedInstance:
    return IdentifiedInstance(
        uid=InstanceUid(header.instance_uid),
        series_uid=SeriesUid(header.series_uid),
        sop_class_uid=header.sop_class_uid,
        digest=Digest(""),
        read=path.read_bytes,
        size_bytes=size_bytes,
    )
