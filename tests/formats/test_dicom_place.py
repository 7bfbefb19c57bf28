"""Where a slice lies, from the head of its file."""

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sightline.formats.dicom_place import HEAD_BYTES, SlicePlace, read_place
from tests.instances import part10_of, slice_of

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def test_the_place_is_read_from_the_head_alone() -> None:
    content = part10_of(slice_of(3, size=600))
    assert len(content) > HEAD_BYTES
    whole = SlicePlace(position_mm=(-10, -20, 6), orientation=AXIAL)
    assert read_place(content[:HEAD_BYTES]) == read_place(content) == whole


def test_what_is_broken_is_not_given() -> None:
    assert read_place(b"junk") == SlicePlace()
    assert read_place(part10_of(slice_of(1, size=2))[:300]) == SlicePlace()


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_parts_of_a_concatenation_in_every_byte_order(syntax: str) -> None:
    made = slice_of(
        1,
        size=2,
        NumberOfFrames=12,
        ConcatenationUID="1.2.3",
        InConcatenationNumber=2,
        InConcatenationTotalNumber=300,
    )
    place = read_place(part10_of(made, syntax))
    assert (place.concatenation, place.part, place.parts, place.frames) == ("1.2.3", 2, 300, 12)


def test_numbers_that_are_none_are_not_given() -> None:
    made = slice_of(1, size=2)
    content = part10_of(made).replace(b"-10.0\\-20.0", b"-10.0\\x20.0")
    assert read_place(content).position_mm == ()
    assert read_place(content).orientation == AXIAL
