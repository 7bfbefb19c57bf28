"""Safe private attributes: kept under their creator wherever it lies; all other private ones go."""

import struct
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from sightline.deid.contract import RULES
from sightline.deid.dataset import read_file
from sightline.deid.door import pass_door
from sightline.deid.private import safe_attributes
from sightline.deid.profile import load_profile
from sightline.deid.vault import Vault
from sightline.deid.walk import Walk
from sightline.formats.csa_header import read_csa, write_csa
from tests.deid import hostile
from tests.deid.conftest import StudyOf
from tests.deid.rules import CONTEXT
from tests.deid.studies import pass_files, read
from tests.instances import part10_of, slice_of

B_VALUE = struct.pack("<d", 1000.0)
SAID = {"NumberOfImagesInMosaic": ["36"], "SliceNormalVector": ["0.0", "0.0", "1.0"]}


def passed(tmp_path: Path, vault: Vault, image: Dataset) -> Dataset:
    path = tmp_path / "image.dcm"
    path.write_bytes(part10_of(image))
    return read(pass_files([path], vault).instances[0].content)


def image_with(*elements: tuple[int, str, object]) -> Dataset:
    image = slice_of(1)
    for tag, vr, value in elements:
        image.add_new(tag, vr, value)
    return image


def test_safe_ones_leave_with_their_creator(tmp_path: Path, vault: Vault) -> None:
    image = image_with(
        (0x00190013, "LO", "SIEMENS MR HEADER"),
        (0x0019130C, "IS", "1000"),
        (0x0019130E, "FD", [0.1, 0.2, 0.3]),
        (0x00191308, "CS", "KANARI"),  # on no list
        (0x00190014, "LO", "KANARI"),
        (0x0019140C, "IS", "4711"),  # of an unknown creator
    )
    left = passed(tmp_path, vault, image)
    assert left[0x00190013].value == "SIEMENS MR HEADER"
    assert left[0x0019130C].value == 1000
    assert left[0x0019130E].value == [0.1, 0.2, 0.3]
    assert {element.tag for element in left if element.tag.is_private} == {
        *(0x00190013, 0x0019130C, 0x0019130E)
    }


def test_uids_in_safe_ones_are_of_the_hub(tmp_path: Path, vault: Vault) -> None:
    image = image_with((0x00990010, "LO", "NQHeader"), (0x00991002, "UI", "1.2.3.4711"))
    assert passed(tmp_path, vault, image)[0x00991002].value == vault.uid("1.2.3.4711")


@pytest.mark.parametrize(
    ("vr", "value"),
    [("IS", b"KANARI"), ("LO", b"1000"), ("FD", b"KANARI 1"), ("SQ", b"")],
)
def test_what_is_not_as_the_list_says_goes(vr: str, value: bytes) -> None:
    tree = hostile.base() | {
        0x00190010: ("LO", b"SIEMENS MR HEADER"),
        0x0019100C: (vr, [{}] if vr == "SQ" else value),
    }
    content = hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries())
    elements = read_file(content, CONTEXT.keep_list.sequences).elements
    walked = Walk(CONTEXT).clean(elements, "mr-image")
    assert not any(tag >> 16 & 1 for tag in walked)


def test_a_profile_without_the_option_keeps_none(vault: Vault, study_of: StudyOf) -> None:
    image = image_with((0x00190010, "LO", "SIEMENS MR HEADER"), (0x0019100C, "IS", "1000"))
    study = pass_door(study_of([part10_of(image)]), vault, load_profile("basic")).study
    assert study is not None
    assert study.certificate.actions["private_removed"] == 2
    assert b"SIEMENS MR HEADER" not in study.instances[0].content


def test_a_csa_header_is_written_anew(tmp_path: Path, vault: Vault) -> None:
    names = {"PatientName": ["KANARI"], "UsedPatientWeight": ["71"], "ICE_Dims": ["KANARI"]}
    header = write_csa({**names, **SAID, "B_value": ["KANARI"]}) + b"KANARI"
    image = image_with((0x00290010, "LO", "SIEMENS CSA HEADER"), (0x00291010, "OB", header))
    left = bytes(passed(tmp_path, vault, image)[0x00291010].value)
    wanted = {*names, *SAID, "B_value"}
    assert read_csa(left, wanted) == {name: tuple(each) for name, each in SAID.items()}
    assert b"KANARI" not in left


def test_private_ones_in_items_are_looked_at(tmp_path: Path, vault: Vault) -> None:
    image = slice_of(1)
    item = image_with((0x20050010, "LO", "Philips MR Imaging DD 001"), (0x2005100D, "FL", 2.5))
    item.add_new(0x20051002, "LO", "KANARI")
    for tag in [element.tag for element in item if not element.tag.is_private]:
        del item[tag]
    image.SharedFunctionalGroupsSequence = [item]
    (left,) = passed(tmp_path, vault, image).SharedFunctionalGroupsSequence
    assert left[0x2005100D].value == 2.5
    assert 0x20051002 not in left


def test_the_list_is_of_private_elements_and_known_rules() -> None:
    for (group, creator), each in safe_attributes().items():
        assert group & 1
        assert creator == creator.strip()
        assert len({safe.number for safe in each}) == len(each)
        for safe in each:
            assert 0 <= safe.number <= 0xFF
            assert safe.attribute.rule in RULES.names()
