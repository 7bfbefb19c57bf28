"""A vault with a fixed key, and studies made of bytes."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from sightline.deid.key_file import KEY_FILE
from sightline.deid.vault import Vault
from sightline.formats.dicom_file import read_header
from sightline.values.identity import Digest, InstanceUid, LineageId, Patient, SeriesUid, StudyUid
from sightline.values.study import IdentifiedInstance, IdentifiedStudy

KEY = bytes(range(32))

StudyOf = Callable[..., IdentifiedStudy]


def vault_at(folder: Path, key: bytes = KEY) -> Vault:
    folder.mkdir(parents=True, exist_ok=True)
    checksum = hashlib.sha256(key).hexdigest()[:16]
    (folder / KEY_FILE).write_text(f"sightline-vault 1\n{key.hex()}\n{checksum}\n")
    (folder / KEY_FILE).chmod(0o600)
    return Vault.at(folder)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_at(tmp_path / "vault")


@pytest.fixture
def study_of(tmp_path: Path) -> StudyOf:
    """Make a study of files given as bytes."""

    def make(
        contents: Sequence[bytes],
        *,
        patient: Patient | None = None,
        lineage_id: str | None = None,
    ) -> IdentifiedStudy:
        header = read_header(contents[0])
        instances = [
            instance_of(tmp_path, content, read_header(content), lineage_id) for content in contents
        ]
        return IdentifiedStudy(
            uid=StudyUid(header.study_uid),
            patient=patient or header.patient,
            revision=1,
            instances=tuple(instances),
        )

    return make


class Named(Protocol):
    """What names an instance."""

    instance_uid: str
    series_uid: str
    sop_class_uid: str


def instance_of(
    folder: Path, content: bytes, names: Named, lineage_id: str | None = None
) -> IdentifiedInstance:
    """Keep an instance in `folder`."""
    path = folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return instance_at(path, names, lineage_id)


def instance_at(path: Path, names: Named, lineage_id: str | None = None) -> IdentifiedInstance:
    """Describe an instance where it lies."""
    return IdentifiedInstance(
        uid=InstanceUid(names.instance_uid),
        series_uid=SeriesUid(names.series_uid),
        sop_class_uid=names.sop_class_uid,
        digest=Digest(hashlib.sha256(path.read_bytes()).hexdigest()),
        read=path.read_bytes,
        lineage_id=LineageId(lineage_id) if lineage_id else None,
    )
