import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from sightline.prepare.image import prepare_image
from sightline.values.geometry import Geometry
from sightline.values.plan import Intensity, Plan
from sightline.values.volume import Volume
from tests.learning import AXIAL, blobs, examples, planned


def test_a_volume_stored_the_other_way_round_looks_the_same(tmp_path: Path) -> None:
    plan = planned(examples(tmp_path, 1))
    image, _ = blobs(3)
    axial = Volume(voxels=image, geometry=Geometry.from_affine(image.shape, AXIAL), modality="MR")
    # Sagittal slices from left to right, rows from head to feet.
    turned = np.ascontiguousarray(image.transpose(2, 0, 1)[::-1, ::-1])
    order = np.zeros((4, 4))
    order[[2, 0, 1, 3], [0, 1, 2, 3]] = [-1, -1, 1, 1]
    order[[2, 0], 3] = [image.shape[2] - 1, image.shape[0] - 1]
    sagittal = Volume(
        voxels=turned, geometry=Geometry.from_affine(turned.shape, AXIAL @ order), modality="MR"
    )
    ours, theirs = prepare_image(axial, plan), prepare_image(sagittal, plan)
    assert (ours.image == theirs.image).all()


@pytest.mark.parametrize("spacing", [(3.0, 1.0, 1.0), (1.5, 2.0, 0.7), (2.2, 1.9, 2.4)])
def test_a_ramp_stays_a_ramp_at_another_spacing(
    tmp_path: Path, spacing: tuple[float, float, float]
) -> None:
    plan = dataclasses.replace(planned(examples(tmp_path, 1)), spacing_mm=spacing)
    # Longer than a slab, so that slabs meet.
    shape = (70, 20, 18)
    ramp = np.indices(shape).sum(axis=0).astype(np.uint16)
    volume = Volume(voxels=ramp, geometry=Geometry.from_affine(shape, AXIAL), modality="MR")
    prepared = prepare_image(volume, plan)
    assert prepared.image.shape == prepared.grid.shape
    for axis, ratio in enumerate(prepared.grid.ratio):
        steps = np.diff(prepared.image.numpy(), axis=axis)[10:-10, 3:-3, 3:-3]
        assert steps == pytest.approx(steps.flat[0], abs=1e-3), ratio


# Slices from right to left, rows from head to feet, columns to the front, tilted by 0.2 rad.
TILT = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
ODD = np.eye(4)
ODD[:3, :3] = TILT @ np.array([[1.1, 0, 0], [0, 0, -0.7], [0, -2.0, 0]])
ODD[:3, 3] = [-30.0, 41.0, 17.0]


def _ct(slope: float = 1.0, intercept: float = -1024.0) -> Volume:
    """A body with lungs in air, off the middle."""
    random = np.random.default_rng(4)
    hu = random.normal(-1000, 8, (44, 50, 60))
    hu[14:32, 16:40, 20:44] = random.normal(40, 12, (18, 24, 24))
    hu[18:26, 20:32, 24:36] = -820
    stored = ((hu - intercept) / slope).round().astype(np.int16)
    return Volume(
        voxels=stored,
        geometry=Geometry.from_affine(stored.shape, ODD),
        modality="CT",
        slope=slope,
        intercept=intercept,
    )


def _ct_plan(tmp_path: Path, spacing: tuple[float, float, float]) -> Plan:
    window = Intensity(scheme="window", window=(-1000.0, 400.0))
    plan = planned(examples(tmp_path, 1))
    return dataclasses.replace(plan, modality="CT", intensity=window, spacing_mm=spacing)


@pytest.mark.parametrize("spacing", [(2.0, 0.7, 1.1), (1.5, 1.5, 1.5), (3.0, 0.5, 1.9)])
def test_an_oddly_oriented_ct_agrees_with_simpleitk(
    tmp_path: Path, spacing: tuple[float, float, float]
) -> None:
    volume, plan = _ct(), _ct_plan(tmp_path, spacing)
    ours = prepare_image(volume, plan)
    hu = SimpleITK.GetImageFromArray(volume.voxels.astype(np.float64) + volume.intercept)
    lengths = np.linalg.norm(ODD[:3, :3], axis=0)
    hu.SetSpacing(lengths[::-1].tolist())
    hu.SetDirection((ODD[:3, :3] / lengths)[:, ::-1].ravel().tolist())
    hu.SetOrigin(ODD[:3, 3].tolist())
    to_source = np.vstack([ours.grid.to_source(), [0, 0, 0, 1]])
    to_world = volume.geometry.matrix @ to_source
    steps = np.linalg.norm(to_world[:3, :3], axis=0)
    theirs = SimpleITK.Resample(
        SimpleITK.Clamp(hu, SimpleITK.sitkFloat64, -1000, 400),
        [int(n) for n in ours.grid.shape[::-1]],
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        to_world[:3, 3].tolist(),
        steps[::-1].tolist(),
        (to_world[:3, :3] / steps)[:, ::-1].ravel().tolist(),
        -1000.0,
    )
    scaled = (SimpleITK.GetArrayFromImage(theirs) + 1000) / 1400
    box = tuple(slice(a, a + n) for a, n in zip(ours.first, ours.image.shape, strict=True))
    # Beyond the centres of the outermost voxels the two extrapolate each in its own way.
    inside = np.zeros(ours.grid.shape, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    difference = np.abs(ours.image.numpy() - scaled[box])[inside[box]]
    assert difference.max() < 1e-5  # of the window: 0.014 HU


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.5, -1000.0)])
def test_only_the_body_is_prepared(tmp_path: Path, slope: float, intercept: float) -> None:
    volume, plan = _ct(slope, intercept), _ct_plan(tmp_path, (1.0, 1.0, 1.0))
    cropped = prepare_image(volume, plan)
    whole = prepare_image(dataclasses.replace(volume, modality="MR"), _mr(plan))
    assert whole.first == (0, 0, 0)
    box = tuple(slice(a, a + n) for a, n in zip(cropped.first, cropped.image.shape, strict=True))
    assert cropped.image.numel() < 0.7 * whole.image.numel()
    # Products of shorter rows are added up in another order.
    assert cropped.image.numpy() == pytest.approx(whole.image.numpy()[box], abs=1e-6)
    outside = whole.image.numpy().copy()
    outside[box] = 0
    # Nothing of what is denser than -500 HU lies outside.
    assert outside.max() < (-500 + 1000) / 1400


def _mr(plan: Plan) -> Plan:
    return dataclasses.replace(plan, modality="MR")


def test_a_ct_without_a_body_is_prepared_whole(tmp_path: Path) -> None:
    air = dataclasses.replace(_ct(), voxels=np.zeros((44, 50, 60), np.int16))
    prepared = prepare_image(air, _ct_plan(tmp_path, (1.5, 1.5, 1.5)))
    assert prepared.image.shape == prepared.grid.shape
