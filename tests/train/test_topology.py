"""nnU-Net's rules, against plans that nnU-Net published for the Medical Segmentation Decathlon."""

import math

import pytest

from sightline.train.topology import Target, fitted_levels, halved, memory_mb
from sightline.values.plan import SpacingMm, Triple


def _target(spacing: SpacingMm, median: Triple, *, gb: float = 8.0, classes: int = 2) -> Target:
    return Target(
        spacing_mm=spacing,
        median=median,
        memory_gb=gb,
        outputs=classes + 1,
        channels=lambda levels: tuple(min(320, 32 * 2**level) for level in range(levels)),
        most_levels=None,
    )


def test_the_hippocampus_gets_the_patch_and_batch_that_nnunet_published() -> None:
    target = _target((1.0, 1.0, 1.0), (36, 50, 35))
    levels = fitted_levels(target)
    assert levels.patch == (40, 56, 40)
    assert levels.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert target.batch(levels, examples=260) == 9


@pytest.mark.parametrize(
    ("spacing", "median", "classes", "patch"),
    [
        ((1.0, 0.767578125, 0.767578125), (482, 512, 512), 2, (128, 128, 128)),  # liver
        ((1.6, 0.79296899, 0.79296899), (187, 512, 512), 1, (64, 192, 160)),  # spleen
        ((1.37, 1.25, 1.25), (115, 320, 232), 1, (80, 192, 160)),  # heart
        ((2.5, 0.803, 0.803), (96, 512, 512), 2, (40, 224, 224)),  # pancreas
        ((3.6, 0.62, 0.62), (20, 320, 319), 2, (20, 320, 256)),  # prostate
        ((1.0, 1.0, 1.0), (140, 171, 136), 3, (128, 160, 112)),  # brain tumours
    ],
)
def test_large_volumes_get_the_patches_that_nnunet_published(
    spacing: SpacingMm, median: Triple, classes: int, patch: Triple
) -> None:
    target = _target(spacing, median, classes=classes)
    levels = fitted_levels(target)
    assert levels.patch == patch
    assert target.batch(levels, examples=100) == 2


def test_more_memory_makes_patches_larger() -> None:
    sizes = [
        math.prod(fitted_levels(_target((1.0, 1.0, 1.0), (300, 300, 300), gb=gb)).patch)
        for gb in (0.3, 2.0, 8.0)
    ]
    assert sizes == sorted(set(sizes))


def test_thick_slices_wait_for_the_plane() -> None:
    levels = halved((20, 320, 256), (3.6, 0.62, 0.62), most=None)
    assert levels.strides[:3] == ((1, 1, 1), (1, 2, 2), (1, 2, 2))
    assert levels.kernels[0] == (1, 3, 3)
    assert levels.kernels[-1] == (3, 3, 3)


def test_single_slices_are_never_halved_or_spanned_along_themselves() -> None:
    target = _target((1.0, 0.2, 0.2), (1, 1024, 900))
    levels = fitted_levels(target)
    assert levels.patch[0] == 1
    assert {stride[0] for stride in levels.strides} == {1}
    assert {kernel[0] for kernel in levels.kernels} == {1}
    assert target.batch(levels, examples=5000) >= 2


def test_a_network_has_two_levels_at_least() -> None:
    assert len(halved((8, 8, 8), (1.0, 3.0, 3.0), most=None).strides) >= 2


def test_memory_grows_with_the_batch() -> None:
    levels = halved((32, 32, 32), (1.0, 1.0, 1.0), most=3)
    one, four = (memory_mb(levels, (16, 32, 64), outputs=3, batch=batch) for batch in (1, 4))
    assert one < four < 4 * one + 1
