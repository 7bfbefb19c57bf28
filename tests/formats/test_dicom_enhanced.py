"""Enhanced multi-frame images: the frame's own groups, the shared ones, and what is missing."""

import copy
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.errors import NotDicom, UnsoundSeries
from sightline.formats.dicom_image import read_volume, read_volumes
from tests.formats.sources import KINDS

Change = Callable[[pydicom.Dataset], None]


@pytest.fixture(params=["enhanced CT", "enhanced oblique MR"])
def enhanced(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Change], list[Path]]:
    """Give a function that changes an enhanced image of six frames and writes it."""
    written = KINDS[request.param](tmp_path / "series")

    def change(how: Change) -> list[Path]:
        dataset = pydicom.dcmread(written.files[0])
        how(dataset)
        with io.BytesIO() as file:
            dataset.save_as(file)
            written.files[0].write_bytes(file.getvalue())
        return list(written.files)

    return change


def _doubled(dataset: pydicom.Dataset) -> None:
    """Give every place a second frame, of another echo."""
    groups = []
    for echo in (2.5, 5.0):
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            again = copy.deepcopy(frame)
            item = pydicom.Dataset()
            item.EffectiveEchoTime = echo
            again.MREchoSequence = [item]
            groups.append(again)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.NumberOfFrames = len(groups)
    dataset.PixelData += bytes(value ^ 1 for value in dataset.PixelData)


def test_frames_of_two_echoes_are_two_volumes(enhanced: Callable[[Change], list[Path]]) -> None:
    series = read_volumes(enhanced(_doubled))
    assert [volume.stack for volume in series.volumes] == ["echo time 2.5", "echo time 5"]
    first, second = (volume.voxels for volume in series.volumes)
    assert np.array_equal(first ^ 0x0101, second)
    assert sorted(frame for grid in series.grids for _, frame in grid.frames) == list(range(12))


def _scaled(dataset: pydicom.Dataset) -> None:
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        item = pydicom.Dataset()
        item.RescaleSlope, item.RescaleIntercept = f"{1 + number / 4}", str(number)
        item.RescaleType = "US"
        frame.PixelValueTransformationSequence = [item]


def test_rescale_of_a_frame_comes_before_the_shared_one(
    enhanced: Callable[[Change], list[Path]],
) -> None:
    volume = read_volume(enhanced(_scaled))
    said = sorted(volume.slice_rescale)
    assert said == [(1 + number / 4, float(number)) for number in range(6)]


def _without(name: str) -> Change:
    def change(dataset: pydicom.Dataset) -> None:
        for group in (
            *dataset.SharedFunctionalGroupsSequence,
            dataset.PerFrameFunctionalGroupsSequence[3],
        ):
            group.pop(name, None)

    return change


@pytest.mark.parametrize(
    ("why", "name"),
    [
        ("no position", "PlanePositionSequence"),
        ("no orientation", "PlaneOrientationSequence"),
        ("no pixel spacing", "PixelMeasuresSequence"),
    ],
)
def test_a_frame_without_a_place_is_named(
    enhanced: Callable[[Change], list[Path]], why: str, name: str
) -> None:
    with pytest.raises(UnsoundSeries, match=f"frame [14] does not say where it lies: {why}"):
        read_volumes(enhanced(_without(name)))


def test_frames_and_groups_must_be_as_many(enhanced: Callable[[Change], list[Path]]) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        dataset.NumberOfFrames = 5

    with pytest.raises(NotDicom, match="6 functional groups for 5 frames"):
        read_volumes(enhanced(change))


def test_philips_scale_is_noted_and_not_applied(test_data: Path) -> None:
    path = test_data / "dicom" / "dcmqa_enh" / "In" / "Philips" / "IM_0027_fMAP.dcm"
    field, magnitude = read_volumes([path]).volumes
    assert (field.slope, field.intercept) == (0.24420024420024, -500.0)
    assert field.philips_scale == (pytest.approx((4.095, 2047.5), rel=1e-6),)
    assert magnitude.slope == 1.27985347985347
    assert magnitude.philips_scale[0][1] == 0.0
