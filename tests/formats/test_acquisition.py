"""What the head of an instance says of how its series was acquired."""

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from sightline.errors import NotDicom
from sightline.formats.acquisition import HEAD_BYTES, read_acquisition
from sightline.values.acquisition import Acquisition
from tests.instances import part10_of, slice_of


def test_all_is_read_from_the_head_of_a_large_file() -> None:
    content = part10_of(
        slice_of(
            1,
            size=512,
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            ConvolutionKernel="Br59d",
            ContrastBolusAgent="Iohexol",
            SliceThickness=0.75,
            RequestedProcedureDescription="CT Sch\u00e4del",
        )
    )
    assert len(content) > 2 * HEAD_BYTES
    assert read_acquisition(content[:HEAD_BYTES]) == Acquisition(
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        orientation="axial",
        kernel="Br59d",
        contrast="Iohexol",
        thickness_mm=0.75,
        order="CT Sch\u00e4del Chest",
    )


@pytest.mark.parametrize(
    ("cosines", "orientation"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([1, 0, 0, 0, 0.94, -0.34], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([1, 0, 0, 0, 0.71, -0.71], "oblique"),
    ],
)
def test_slices_are_named_by_the_axis_they_lie_across(
    cosines: list[float], orientation: str
) -> None:
    content = part10_of(slice_of(1, ImageOrientationPatient=cosines))
    assert read_acquisition(content).orientation == orientation


def test_what_is_not_said_or_malformed_is_empty() -> None:
    bare = slice_of(1, StudyDescription="")
    del bare.ImageOrientationPatient
    del bare.SliceThickness
    assert read_acquisition(part10_of(bare)) == Acquisition()
    odd = part10_of(slice_of(1)).replace(b"2.0", b"2.x")
    assert read_acquisition(odd).thickness_mm is None


def test_a_deflated_head_is_no_answer() -> None:
    dataset = slice_of(1, size=512)
    content = part10_of(dataset, DeflatedExplicitVRLittleEndian)
    assert pydicom.uid.UID(DeflatedExplicitVRLittleEndian).is_deflated
    assert read_acquisition(content).orientation == "axial"
    with pytest.raises(NotDicom):
        read_acquisition(content[:HEAD_BYTES])
