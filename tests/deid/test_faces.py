"""Where a face may stand is marked, and where nothing is known a face is assumed."""

import dataclasses

import pytest

from sightline.deid.dataset import read_file
from sightline.deid.door import pass_door
from sightline.deid.faces import is_head, may_show_face
from sightline.deid.vault import Vault
from tests.deid import hostile
from tests.deid.conftest import StudyOf
from tests.deid.rules import KEEP
from tests.instances import part10_of, slice_of


def shows_face(iod: str = "ct-image", **words: bytes) -> bool | None:
    tags = {"study": 0x00081030, "series": 0x0008103E, "protocol": 0x00181030, "part": 0x00180015}
    tree = {tag: each for tag, each in hostile.base().items() if tag != 0x00180015}
    tree |= {tags[name]: ("LO", word) for name, word in words.items()}
    content = hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries())
    return may_show_face(read_file(content, KEEP.sequences).elements, iod)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"part": b"HEAD"}, True),
        ({"part": b"BRAIN"}, True),
        ({"part": b"NECK"}, True),
        ({"part": b"WHOLEBODY"}, True),
        ({"part": b"CHEST"}, False),
        ({"part": b"ABDOMEN"}, False),
        ({"part": b"CHEST", "series": b"early arterial"}, False),
        ({"part": b"CHEST", "protocol": b"HeadNeckThorax"}, True),
        ({"study": b"CT Sch\xe4del", "part": b""}, True),
        ({"series": b"t1_mprage_sag"}, True),
        ({"study": b"Knie links"}, False),
        ({}, True),
    ],
)
def test_known_words(words: dict[str, bytes], expected: bool) -> None:
    assert shows_face(**words) is expected


def test_objects_without_a_surface_are_not_asked() -> None:
    assert shows_face("segmentation", part=b"HEAD") is None
    assert shows_face("rt-structure-set", part=b"HEAD") is None


def test_mark_leaves_with_the_image(vault: Vault, study_of: StudyOf) -> None:
    parts = {"BRAIN": True, "CHEST": False}
    for part, expected in parts.items():
        study = study_of([part10_of(slice_of(1, BodyPartExamined=part, StudyDescription=""))])
        passed = pass_door(study, vault).study
        assert passed is not None
        assert is_head(passed.instances[0]) is expected
        unmarked = dataclasses.replace(passed.instances[0], content=part10_of(slice_of(1)))
        assert not is_head(unmarked)
