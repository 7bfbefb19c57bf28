"""Volumes beside what other converters made of the same files, brought to one orientation."""

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from sightline.values.volume import Volume

# From NIfTI's RAS to LPS.
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """One time point of a NIfTI file, with its axes as the file has them.

    Attributes:
        stored: (i, j, k) as stored, not scaled.
        affine: from (i, j, k, 1) to LPS mm.
    """

    stored: np.ndarray
    affine: np.ndarray
    slope: float
    intercept: float


def time_points(path: Path) -> list[Reference]:
    image = nib.load(path)
    proxy = image.dataobj
    assert isinstance(proxy, ArrayProxy)
    stored = np.asarray(proxy.get_unscaled())
    volumes = [stored] if stored.ndim == 3 else [stored[..., t] for t in range(stored.shape[3])]
    return [
        Reference(
            stored=each,
            affine=_TO_LPS @ image.affine,
            slope=float(proxy.slope),
            intercept=float(proxy.inter),
        )
        for each in volumes
    ]


def on_grid_of(volume: Volume, reference: Reference) -> tuple[np.ndarray, float]:
    """Bring a reference onto the axes of a volume by flips and permutations alone.

    Returns:
        Its stored values, (slices, rows, columns), and how far the two grids lie apart, in mm, at
        the corner where that is most.
    """
    axes = np.linalg.inv(volume.geometry.matrix)[:3, :3] @ reference.affine[:3, :3]
    turned = np.rint(axes).astype(int)
    assert (np.abs(turned).sum(0) == 1).all(), axes
    assert (np.abs(turned).sum(1) == 1).all(), axes
    sources = np.abs(turned).argmax(axis=1)
    stored, affine = reference.stored.transpose(sources), reference.affine[:, [*sources, 3]].copy()
    for axis, source in enumerate(sources):
        if turned[axis, source] < 0:
            stored = np.flip(stored, axis)
            affine[:, 3] += affine[:, axis] * (stored.shape[axis] - 1)
            affine[:, axis] *= -1
    assert stored.shape == volume.voxels.shape
    ends = [(0, size - 1) for size in stored.shape]
    corners = np.array([(k, j, i, 1) for k in ends[0] for j in ends[1] for i in ends[2]])
    apart = corners @ (affine - volume.geometry.matrix).T
    return stored, float(np.linalg.norm(apart[:, :3], axis=1).max())
