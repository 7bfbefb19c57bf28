"""The door as a whole: no identifier leaves, references hold, geometry stays, odd input is held."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sightline.deid.attributes import storage_classes
from sightline.deid.door import Passage, pass_door
from sightline.values.identity import Patient, StudyUid
from sightline.values.study import IdentifiedStudy
from tests.deid import hostile
from tests.deid.conftest import instance_of, vault_at

PATIENT = Patient(patient_id=hostile.PATIENT_ID, name="KANARI^VOGEL")
PASSING = sorted(uid for uid, each in storage_classes().items() if not each.reason)
SYNTAXES = (
    hostile.IMPLICIT,
    hostile.EXPLICIT,
    hostile.DEFLATED,
    hostile.BIG,
    *sorted(hostile.ENCAPSULATED),
)


def hostile_study(folder: Path, content: bytes, sop_class_uid: str) -> IdentifiedStudy:
    names = SimpleNamespace(
        instance_uid=hostile.INSTANCE_UID,
        series_uid=hostile.SERIES_UID,
        sop_class_uid=sop_class_uid,
    )
    return IdentifiedStudy(
        uid=StudyUid(hostile.STUDY_UID),
        patient=PATIENT,
        revision=1,
        instances=(instance_of(folder, content, names),),
    )


def canary_passage(folder: Path, sop_class_uid: str, syntax: str) -> Passage:
    canaries = hostile.Canaries()
    tree = hostile.hostile(sop_class_uid, canaries)
    content = hostile.part10(tree, syntax, canaries)
    assert canaries.count >= 300
    assert hostile.survivors(content)
    return pass_door(hostile_study(folder, content, sop_class_uid), vault_at(folder / "vault"))


def content_of(passage: Passage) -> bytes:
    assert passage.held == ()
    assert passage.study is not None
    return passage.study.instances[0].content


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_canary_survives_in_any_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    assert hostile.survivors(content_of(canary_passage(tmp_path, hostile.CT, syntax))) == []


@pytest.mark.parametrize("sop_class_uid", PASSING)
def test_no_canary_survives_in_any_kind_of_object(tmp_path: Path, sop_class_uid: str) -> None:
    passage = canary_passage(tmp_path, sop_class_uid, hostile.EXPLICIT)
    assert hostile.survivors(content_of(passage)) == []
