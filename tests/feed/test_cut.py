import dataclasses

import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.feed.cut import cut
from sightline.feed.draws import Appearance, Draw, rotations

PLAIN = Appearance()
SHAPE = (11, 12, 13)
WHOLE = ((0, 11), (0, 12), (0, 13))
VOLUME = torch.from_numpy(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
MASK = torch.from_numpy(np.random.default_rng(1).integers(0, 3, SHAPE).astype(np.uint8))


def _draw(to_source: np.ndarray) -> Draw:
    return Draw(example=0, to_source=to_source, bounds=WHOLE, appearance=PLAIN)


def _map(linear: np.ndarray, shift: tuple[float, ...]) -> np.ndarray:
    return np.concatenate([linear, np.array(shift)[:, None]], axis=1)


@given(
    st.permutations((0, 1, 2)),
    st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3),
    st.tuples(*[st.integers(-4, 14)] * 3),
)
def test_patches_on_voxels_are_copied_and_padded_with_0(
    order: list[int], signs: tuple[float, ...], shift: tuple[int, ...]
) -> None:
    linear = np.zeros((3, 3))
    linear[order, [0, 1, 2]] = signs
    draw = _draw(_map(linear, shift))
    image, mask = cut(VOLUME, MASK, draw, patch=(6, 5, 4))
    for at in np.ndindex(6, 5, 4):
        source = tuple(np.rint(draw.to_source @ [*at, 1]).astype(int))
        is_inside = all(0 <= i < n for i, n in zip(source, SHAPE, strict=True))
        assert image[at] == (VOLUME[source] if is_inside else 0)
        assert mask[at] == (MASK[source] if is_inside else 0)


def test_turned_patches_agree_with_simpleitk() -> None:
    linear = rotations(np.array([[1.0, 2.0, 3.0]]), np.array([0.4]))[0] * 0.8
    draw = _draw(_map(linear, (2.3, 3.1, 2.2)))
    ours, our_mask = cut(VOLUME, MASK, draw, patch=(6, 7, 5))
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(np.ascontiguousarray(linear[::-1, ::-1]).ravel().tolist())
    transform.SetTranslation((2.2, 3.1, 2.3))

    def theirs(values: torch.Tensor, how: int) -> np.ndarray:
        source = SimpleITK.GetImageFromArray(values.numpy())
        target = SimpleITK.Image((5, 7, 6), source.GetPixelID())
        return SimpleITK.GetArrayFromImage(SimpleITK.Resample(source, target, transform, how))

    assert ours.numpy() == pytest.approx(theirs(VOLUME, SimpleITK.sitkLinear), abs=1e-4)
    nearest = theirs(MASK, SimpleITK.sitkNearestNeighbor)
    assert (our_mask.numpy() == nearest).mean() > 0.99


def test_what_was_read_of_a_volume_does_not_change_the_patch() -> None:
    linear = rotations(np.array([[0.0, 1.0, 0.2]]), np.array([0.3]))[0]
    whole = _draw(_map(linear, (4.4, 4.6, 3.5)))
    bounds = ((2, 10), (3, 10), (2, 11))
    part = dataclasses.replace(whole, bounds=bounds)
    box = tuple(slice(*bound) for bound in bounds)
    one, _ = cut(VOLUME, MASK, whole, patch=(3, 3, 3))
    other, _ = cut(VOLUME[box], MASK[box], part, patch=(3, 3, 3))
    assert one.numpy() == pytest.approx(other.numpy(), abs=1e-5)


def test_deformed_patches_agree_with_simpleitk() -> None:
    random = np.random.default_rng(2)
    elastic = random.uniform(-1, 1, (3, 7, 7, 7)).astype(np.float32)
    patch = (6, 7, 5)
    draw = dataclasses.replace(_draw(_map(np.eye(3), (2.3, 3.1, 2.2))), elastic=elastic)
    ours, _ = cut(VOLUME, MASK, draw, patch=patch)
    # A uniform B-spline of order 3 over the patch, with a control point beyond either end.
    transform = SimpleITK.BSplineTransform(3, 3)
    transform.SetTransformDomainOrigin((0.0, 0.0, 0.0))
    transform.SetTransformDomainPhysicalDimensions([float(n - 1) for n in patch[::-1]])
    transform.SetTransformDomainMeshSize((4, 4, 4))
    # Parameters are x fastest, and x before y before z.
    transform.SetParameters(elastic[::-1].reshape(3, -1).ravel().astype(float).tolist())
    source = SimpleITK.GetImageFromArray(VOLUME.numpy())
    shift = SimpleITK.TranslationTransform(3, (2.2, 3.1, 2.3))
    moved = SimpleITK.CompositeTransform([shift, transform])
    target = SimpleITK.Image(patch[::-1], source.GetPixelID())
    theirs = SimpleITK.Resample(source, target, moved, SimpleITK.sitkLinear)
    # Beyond the end of its domain, which rounding may reach, SimpleITK deforms nothing.
    inside = tuple(slice(0, n - 1) for n in patch)
    assert ours.numpy()[inside] == pytest.approx(
        SimpleITK.GetArrayFromImage(theirs)[inside], abs=1e-4
    )
