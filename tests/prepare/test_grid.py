import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.prepare.grid import Lerp, NetworkGrid, positions
from sightline.values.geometry import Geometry

LENGTHS = st.floats(0.4, 6.0)


def geometries() -> st.SearchStrategy[Geometry]:
    def make(
        axes: tuple[int, ...], signs: tuple[int, ...], lengths: tuple[float, ...], tilt: float
    ) -> Geometry:
        matrix = np.eye(4)
        matrix[:3, :3] = 0
        for axis, world in enumerate(axes):
            matrix[world, axis] = signs[axis] * lengths[axis]
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
        return Geometry.from_affine((7, 9, 11), turn @ matrix)

    return st.builds(
        make,
        st.permutations((0, 1, 2)).map(tuple),
        st.tuples(*[st.sampled_from((-1, 1))] * 3),
        st.tuples(LENGTHS, LENGTHS, LENGTHS),
        st.floats(-0.4, 0.4),
    )


@given(geometries(), st.tuples(LENGTHS, LENGTHS, LENGTHS))
def test_axes_run_towards_head_back_and_left_at_the_wanted_spacing(
    geometry: Geometry, spacing: tuple[float, float, float]
) -> None:
    grid = NetworkGrid.over(geometry, spacing)
    to_world = geometry.matrix[:3, :3] @ grid.to_source()[:, :3]
    assert np.abs(to_world).argmax(axis=0).tolist() == [2, 1, 0]
    assert (np.diag(to_world[::-1]) > 0).all()
    assert np.linalg.norm(to_world, axis=0) == pytest.approx(spacing, rel=2e-3)


@given(geometries())
def test_orienting_and_restoring_is_the_identity(geometry: Geometry) -> None:
    voxels = np.arange(np.prod(geometry.shape), dtype=np.uint16).reshape(geometry.shape)
    grid = NetworkGrid.over(geometry, geometry.spacing_mm)
    oriented = grid.orient(voxels)
    assert oriented.shape == grid.source_shape
    assert (grid.restore(oriented) == voxels).all()


@given(geometries())
def test_index_map_agrees_with_orienting(geometry: Geometry) -> None:
    voxels = np.arange(np.prod(geometry.shape)).reshape(geometry.shape)
    spacing = [0.0] * 3
    axes = NetworkGrid.over(geometry, geometry.spacing_mm).axes
    for axis, source in enumerate(axes):
        spacing[axis] = geometry.spacing_mm[source]
    grid = NetworkGrid.over(geometry, (spacing[0], spacing[1], spacing[2]))
    assert grid.is_source_spacing
    index = np.array([2, 3, 4, 1])
    at = tuple(np.rint(grid.to_source() @ index).astype(int))
    assert voxels[at] == grid.orient(voxels)[2, 3, 4]


def test_interpolation_agrees_with_simpleitk() -> None:
    source = np.random.default_rng(0).normal(size=(9, 10, 12)).astype(np.float32)
    ratio, shape = (1.7, 0.6, 1.25), (5, 17, 10)
    ours = torch.from_numpy(source)
    for axis in range(3):
        ours = Lerp.at(positions(shape[axis], ratio[axis]), source.shape[axis]).along(ours, axis)
    image = SimpleITK.GetImageFromArray(source)
    size, spacing = shape[::-1], ratio[::-1]
    origin = [(length - 1) / 2 for length in spacing]
    filled = SimpleITK.Resample(
        image, size, SimpleITK.Transform(), SimpleITK.sitkLinear, origin, spacing
    )
    theirs = SimpleITK.GetArrayFromImage(filled)
    inside = np.ix_(
        *[
            (positions(n, r).numpy() >= 0) & (positions(n, r).numpy() <= size - 1)
            for n, r, size in zip(shape, ratio, source.shape, strict=True)
        ]
    )
    assert ours.numpy()[inside] == pytest.approx(theirs[inside], abs=1e-5)
