"""Distances on grids agree with those between all pairs of voxels."""

import numpy as np
import pytest

from sightline.deid.solids import dilated, squared_distance


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 0.7)])
def test_squared_distance(spacing: tuple[float, float, float]) -> None:
    solid = np.random.default_rng(4).random((7, 9, 11)) < 0.03
    places = np.argwhere(np.ones_like(solid)) * spacing
    apart = places[:, None] - np.argwhere(solid) * spacing
    nearest = (apart**2).sum(axis=2).min(axis=1).reshape(solid.shape)
    reach = 3.6
    found = squared_distance(solid, reach, spacing)
    is_near = nearest <= reach**2
    assert np.allclose(found[is_near], nearest[is_near], atol=1e-4)
    assert (found[~is_near] > reach**2).all()


def test_dilated_is_what_lies_near() -> None:
    solid = np.zeros((9, 9), dtype=np.bool_)
    solid[4, 4] = True
    assert dilated(solid, 2).sum() == 13
    assert dilated(solid, 1.5).sum() == 9
