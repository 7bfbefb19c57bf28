import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.networks.contract import NETWORKS
from sightline.phantoms.chest import chest_ct
from sightline.predict.engine import predict, set_threads
from sightline.predict.model import Model, ModelManifest
from sightline.values.geometry import Geometry
from sightline.values.plan import Intensity, Plan
from sightline.values.volume import Volume
from tests.learning import AXIAL, RECIPE, blobs, examples, planned


def model_of(plan: Plan) -> Model:
    torch.manual_seed(0)
    manifest = ModelManifest(
        recipe=RECIPE.to_yaml(), plan=plan, classes=plan.classes, weights_digest=""
    )
    return Model.of(NETWORKS.get(plan.network).build(plan), manifest)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(examples(tmp_path, 1))


def _volume(seed: int = 3) -> Volume:
    image, _ = blobs(seed)
    geometry = Geometry.from_affine(image.shape, AXIAL)
    return Volume(voxels=image, geometry=geometry, modality="MR")


def test_the_same_volume_gives_the_same_mask_on_its_own_grid(plan: Plan) -> None:
    model, volume = model_of(plan), _volume()
    first, again = predict(model, volume), predict(model, volume)
    assert first.mask.shape == volume.voxels.shape
    assert first.mask.dtype == np.uint8
    assert first.geometry == volume.geometry
    assert first.classes == ("bright", "brighter")
    assert first.author == "blobs"
    assert (first.mask == again.mask).all()
    assert len(np.unique(first.mask)) > 1


def test_a_model_that_mirrors_draws_the_mirror_image_of_a_mirror_image(plan: Plan) -> None:
    volume = _volume()
    mirrored = dataclasses.replace(
        volume, voxels=np.ascontiguousarray(volume.voxels[:, ::-1, ::-1])
    )

    def is_mirrored(mirror_axes: tuple[int, ...]) -> bool:
        model = model_of(dataclasses.replace(plan, mirror_axes=mirror_axes))
        there, here = predict(model, mirrored).mask[:, ::-1, ::-1], predict(model, volume).mask
        assert len(np.unique(here)) > 1
        return bool((there == here).all())

    assert is_mirrored((1, 2))
    assert not is_mirrored((2,))
    assert not is_mirrored(())


def test_a_volume_stored_the_other_way_round_gives_the_same_anatomy(plan: Plan) -> None:
    model, volume = model_of(plan), _volume()
    flip = np.diag([-1.0, 1, -1, 1])
    flip[[0, 2], 3] = [volume.voxels.shape[0] - 1, volume.voxels.shape[2] - 1]
    turned = dataclasses.replace(
        volume,
        voxels=np.ascontiguousarray(volume.voxels[::-1, :, ::-1]),
        geometry=Geometry.from_affine(volume.voxels.shape, AXIAL @ flip),
    )
    assert (predict(model, turned).mask[::-1, :, ::-1] == predict(model, volume).mask).all()


@pytest.mark.parametrize("spacing", [(3.0, 2.0, 2.0), (1.0, 0.8, 1.1)])
def test_another_spacing_still_gives_the_grid_of_the_volume(
    plan: Plan, spacing: tuple[float, float, float]
) -> None:
    volume = _volume()
    drawn = predict(model_of(dataclasses.replace(plan, spacing_mm=spacing)), volume)
    assert drawn.mask.shape == volume.voxels.shape
    assert len(np.unique(drawn.mask)) > 1


def test_the_body_of_a_ct_is_looked_at_alone(plan: Plan) -> None:
    phantom = chest_ct(1, shape=(16, 64, 64))
    padded = np.pad(phantom.volume.voxels, ((0, 0), (40, 40), (40, 40)), mode="minimum")
    volume = dataclasses.replace(
        phantom.volume,
        voxels=padded,
        geometry=Geometry.from_affine(padded.shape, phantom.volume.geometry.matrix),
    )
    window = Intensity(scheme="window", window=(-1000.0, 300.0))
    spacing = phantom.volume.geometry.spacing_mm
    ct = dataclasses.replace(plan, modality="CT", intensity=window, spacing_mm=spacing)
    drawn = predict(model_of(ct), volume)
    assert drawn.mask[:, 40:-40, 40:-40].any()
    assert not drawn.mask[:, :20].any()
    assert not drawn.mask[:, :, -20:].any()


def test_threads_are_set() -> None:
    before = torch.get_num_threads()
    try:
        set_threads(1)
        assert torch.get_num_threads() == 1
        set_threads(0)
        assert torch.get_num_threads() >= 1
    finally:
        torch.set_num_threads(before)
