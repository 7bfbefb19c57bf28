"""Saliency marks what moves the answer, and nothing else."""

import numpy as np
import torch
from torch import nn

from sightline.predict.model import Model, ModelManifest
from sightline.predict.saliency import attribution, is_of_whole_images, saliency
from sightline.values.geometry import Geometry
from sightline.values.plan import Intensity, Plan
from sightline.values.volume import Volume


class Corner(nn.Module):
    """Says how bright one corner is, and how dark another."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images[..., :12, :12].mean(dim=(1, 2, 3, 4))
        dark = -images[..., -12:, -12:].mean(dim=(1, 2, 3, 4))
        return torch.stack([bright, dark], dim=1)


def image() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 48, 48))).float()


def test_it_marks_what_the_output_rests_on() -> None:
    first, second = (saliency(Corner(), image(), output=output) for output in (0, 1))
    assert first.shape == (1, 48, 48)
    assert first.dtype == np.uint8
    assert first[0, 2:10, 2:10].mean() > 100
    assert first[0, 20:].max() == 0
    assert second[0, -10:-2, -10:-2].mean() > 100
    assert second[0, :30].max() == 0


def test_it_is_the_same_every_time_and_leaves_no_gradient() -> None:
    network = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    once, again = (saliency(network, image(), output=1) for _ in range(2))
    assert np.array_equal(once, again)
    assert all(each.grad is None for each in network.parameters())


def test_an_answer_that_rests_on_nothing_marks_nothing() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 2))
    nn.init.zeros_(network[1].weight)
    assert not saliency(network, image(), output=0).any()


def test_it_comes_back_on_the_grid_of_the_volume() -> None:
    plan = Plan(
        task="classify",
        classes=("bright_corner", "dark_corner"),
        modality="DX",
        spacing_mm=(1.0, 1.0, 1.0),
        patch=(1, 48, 48),
        batch=1,
        intensity=Intensity(scheme="window", window=(0.0, 100.0)),
        network="small_resnet",
        channels=(4, 8),
        strides=((1, 1, 1), (1, 2, 2)),
        kernels=((1, 3, 3), (1, 3, 3)),
        overlap=0.5,
        memory_mb=1,
        reasons={},
        outputs=2,
    )
    manifest = ModelManifest(recipe="", plan=plan, classes=plan.classes, weights_digest="")
    corner = Corner()
    model = Model(network=corner, manifest=manifest, device=torch.device("cpu"), look=corner)
    # Twice as fine, one side longer than the patch, and rows counted backwards.
    shape = (1, 96, 120)
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 0.5], [0, -0.5, 0], [1, 0, 0]]
    volume = Volume(
        voxels=np.random.default_rng(0).integers(0, 100, shape).astype(np.uint16),
        geometry=Geometry.from_affine(shape, affine),
        modality="DX",
    )
    assert is_of_whole_images(model)
    found = attribution(model, volume, class_name="bright_corner")
    other = attribution(model, volume, class_name="dark_corner")
    assert found.shape == other.shape == shape
    for heat in (found, other):
        # What rests on a corner lies in a corner of what the network saw: 96 of the 120 columns.
        rows, columns = np.nonzero(heat[0] > 100)
        assert rows.size
        assert rows.max() - rows.min() < 40
        assert columns.max() - columns.min() < 40
        assert columns.min() >= 8
        assert columns.max() < 112
    assert not (found & other > 100).any()
