"""A whole volume as a network sees it."""

import dataclasses

import torch

from sightline.prepare.grid import Lerp, NetworkGrid, positions
from sightline.prepare.intensity import Scaling, as_tensor, scaling_of
from sightline.values.plan import Plan
from sightline.values.volume import Volume

# So many slices are float32 at full resolution at a time.
_SLAB = 16


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PreparedImage:
    """A volume ready for a network.

    Attributes:
        image: float32 (slices, rows, columns) of `grid`.
    """

    image: torch.Tensor
    grid: NetworkGrid


def prepare_image(volume: Volume, plan: Plan) -> PreparedImage:
    """Orient, scale and resample a volume."""
    grid = NetworkGrid.over(volume.geometry, plan.spacing_mm)
    scaling = scaling_of(
        volume.voxels, plan.intensity, slope=volume.slope, intercept=volume.intercept
    )
    source = as_tensor(grid.orient(volume.voxels))
    if grid.is_source_spacing:
        return PreparedImage(image=scaling.apply(source), grid=grid)
    return PreparedImage(image=_resample(source, grid, scaling), grid=grid)


def _resample(source: torch.Tensor, grid: NetworkGrid, scaling: Scaling) -> torch.Tensor:
    lerps = [
        Lerp.at(positions(count, ratio), size)
        for count, ratio, size in zip(grid.shape, grid.ratio, source.shape, strict=True)
    ]
    image = torch.empty(grid.shape)
    for start in range(0, grid.shape[0], _SLAB):
        stop = min(start + _SLAB, grid.shape[0])
        part = Lerp(*(each[start:stop] for each in (lerps[0].low, lerps[0].high, lerps[0].weight)))
        first, last = int(part.low.min()), int(part.high.max())
        slab = scaling.apply(source[first : last + 1])
        near = Lerp(part.low - first, part.high - first, part.weight)
        image[start:stop] = lerps[2].along(lerps[1].along(near.along(slab, 0), 1), 2)
    return image
