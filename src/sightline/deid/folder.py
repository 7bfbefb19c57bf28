"""A folder of DICOM files through the door without an archive, into another folder."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from sightline.deid.door import Passage, pass_door
from sightline.deid.faceless import without_faces
from sightline.deid.vault import Vault
from sightline.errors import NotDicom, Refused
from sightline.formats.dicom_file import Header, read_header
from sightline.store.durable import make_folder, write_durably
from sightline.values.arrival import Holding
from sightline.values.identity import Digest, InstanceUid, Patient, SeriesUid, StudyUid
from sightline.values.study import DeidentifiedStudy, IdentifiedInstance, IdentifiedStudy

CERTIFICATE_FILE = "certificate.json"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FolderPassage:
    """What became of the files of a folder.

    Attributes:
        studies: folders of the studies that passed, below the target.
        instances: how many instances passed.
        held: what did not.
        not_dicom: files that are no DICOM file, or a broken one.
    """

    studies: tuple[Path, ...]
    instances: int
    held: tuple[Holding, ...]
    not_dicom: tuple[Path, ...]


def deidentify_folder(
    source: Path,
    target: Path,
    vault: Vault,
    *,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
    removes_faces: bool = False,
) -> FolderPassage:
    """Take every DICOM file below `source` through the door into `target`.

    A study lands in `SUBJECT/STUDY/SERIES/INSTANCE.dcm` beside its certificate, under names of the
    hub. A file under its final name is whole; a repeat writes the same bytes.

    Args:
        source: a folder, or one file.
        target: made where it is missing.
        vault: gives the names.
        tell: called with the number of files done, and of all files.
        removes_faces: whether faces are cleared from CT and MR of heads; series where that is not
            certain are held.

    Raises:
        Refused: The target lies within the source, or the source does not exist.
        OSError: A file cannot be read or written.
    """
    _check(source, target)
    paths = sorted(path for path in (source, *source.rglob("*")) if path.is_file())
    studies, not_dicom = _studies(paths)
    folders: list[Path] = []
    held: list[Holding] = []
    instances, done = 0, len(not_dicom)
    tell(done, len(paths))
    for study in studies:
        passage = pass_door(study, vault)
        if removes_faces:
            passage = without_faces(passage, study, vault)
        folders += _write(passage, target)
        held += passage.held
        instances += len(passage.study.instances) if passage.study else 0
        done += len(study.instances)
        tell(done, len(paths))
    tell(len(paths), len(paths))
    return FolderPassage(
        studies=tuple(folders),
        instances=instances,
        held=tuple(held),
        not_dicom=tuple(not_dicom),
    )


def _check(source: Path, target: Path) -> None:
    if not source.exists():
        raise Refused(f"there is no {source}", hint="Give a folder of DICOM files, or one file.")
    if target.resolve().is_relative_to(source.resolve()):
        raise Refused(
            "the target lies within the source",
            hint="Give a target beside the source, so that the two never mix.",
        )


def _studies(paths: list[Path]) -> tuple[list[IdentifiedStudy], list[Path]]:
    patients: dict[tuple[str, str, str], Patient] = {}
    instances: dict[tuple[str, str, str], dict[str, IdentifiedInstance]] = {}
    not_dicom: list[Path] = []
    for path in paths:
        content = path.read_bytes()
        try:
            header = read_header(content)
        except NotDicom:
            not_dicom.append(path)
            continue
        patient = header.patient
        key = (header.study_uid, patient.patient_id, patient.issuer)
        patients.setdefault(key, patient)
        # A second copy of an instance is the same instance.
        found = instances.setdefault(key, {})
        found.setdefault(header.instance_uid, _instance(path, content, header))
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


def _instance(path: Path, content: bytes, header: Header) -> IdentifiedInstance:
    return IdentifiedInstance(
        uid=InstanceUid(header.instance_uid),
        series_uid=SeriesUid(header.series_uid),
        sop_class_uid=header.sop_class_uid,
        digest=Digest(hashlib.sha256(content).hexdigest()),
        read=path.read_bytes,
    )


def _write(passage: Passage, target: Path) -> list[Path]:
    study = passage.study
    if study is None:
        return []
    folder = target / study.subject_id / study.uid
    for instance in study.instances:
        make_folder(folder / instance.series_uid)
        write_durably(folder / instance.series_uid / f"{instance.uid}.dcm", instance.content)
    # Last, so that a study with a certificate is whole.
    write_durably(folder / CERTIFICATE_FILE, _certificate(study))
    return [folder]


def _certificate(study: DeidentifiedStudy) -> bytes:
    content = {"format": "sightline-certificate", "version": 1}
    content |= dataclasses.asdict(study.certificate)
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
