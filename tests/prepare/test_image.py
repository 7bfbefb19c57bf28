import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sightline.prepare.image import prepare_image
from sightline.values.geometry import Geometry
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
