"""A whole volume as a network sees it."""

import dataclasses

import torch

from sightline.prepare.body import GridBox, air_of, body_box
from sightline.prepare.grid import Lerp, NetworkGrid, positions
from sightline.prepare.intensity import Scaling, as_tensor, scaling_of
from sightline.values.arrays import Voxels
from sightline.values.plan import Plan, Triple
from sightline.values.volume import Volume

# So many slices are float32 at full resolution at a time.
_SLAB = 16


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PreparedImage:
    """A volume ready for a network.

    Attributes:
        image: float32 (slices, rows, columns), the part of `grid` that holds the body.
        first: index in `grid` of its first voxel.
        scaling: how its values came from those of the volume.
        air: what is not above it is air; None where the plan does not tell.
    """

    image: torch.Tensor
    first: Triple
    grid: NetworkGrid
    scaling: Scaling
    air: float | None = None

    @property
    def shape(self) -> Triple:
        """Of the image."""
        slices, rows, columns = self.image.shape
        return (slices, rows, columns)


def prepare_image(volume: Volume, plan: Plan, *, is_whole: bool = False) -> PreparedImage:
    """Orient, crop to the body, scale and resample a volume.

    Args:
        volume: as acquired.
        plan: of the network.
        is_whole: whether it is not cropped.
    """
    grid = NetworkGrid.over(volume.geometry, plan.spacing_mm)
    scaling = scaling_of(
        lambda: volume.voxels, plan.intensity, slope=volume.slope, intercept=volume.intercept
    )
    first, stop = ((0, 0, 0), grid.shape) if is_whole else body_box(volume, grid, plan)
    oriented = grid.orient(volume.voxels)
    if grid.is_source_spacing:
        a, b, c = (slice(begin, end) for begin, end in zip(first, stop, strict=True))
        image = scaling.apply(as_tensor(oriented[a, b, c]))
    else:
        image = _resample(oriented, grid, scaling, box=(first, stop))
    level = air_of(volume, plan)
    air = None if level is None else float(scaling.apply(torch.tensor([level])))
    return PreparedImage(image=image, first=first, grid=grid, scaling=scaling, air=air)


class KeptImages:
    """Prepares one volume for several networks; those that want the same of it share it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], PreparedImage] = {}

    def __call__(self, volume: Volume, plan: Plan, *, is_whole: bool = False) -> PreparedImage:
        """Return what `prepare_image` makes; it is not to be changed.

        Args:
            volume: the same each time.
            plan: of the network.
            is_whole: whether it is not cropped.
        """
        wanted = (plan.modality, plan.spacing_mm, plan.intensity, is_whole)
        if wanted not in self._kept:
            self._kept[wanted] = prepare_image(volume, plan, is_whole=is_whole)
        return self._kept[wanted]


def _resample(source: Voxels, grid: NetworkGrid, scaling: Scaling, *, box: GridBox) -> torch.Tensor:
    """Interpolate the part of the grid that lies in a box, slab by slab."""
    lerps, spans = [], []
    for axis, (begin, end) in enumerate(zip(*box, strict=True)):
        size = grid.source_shape[axis]
        lerp = Lerp.at(positions(grid.shape[axis], grid.ratio[axis])[begin:end], size)
        first, last = int(lerp.low.min()), int(lerp.high.max())
        lerps.append(Lerp(lerp.low - first, lerp.high - first, lerp.weight))
        spans.append(slice(first, last + 1))
    source = source[spans[0], spans[1], spans[2]]
    image = torch.empty([len(each.low) for each in lerps])
    for start in range(0, len(image), _SLAB):
        stop = min(start + _SLAB, len(image))
        part = Lerp(*(each[start:stop] for each in (lerps[0].low, lerps[0].high, lerps[0].weight)))
        first, last = int(part.low.min()), int(part.high.max())
        slab = scaling.apply(as_tensor(source[first : last + 1]))
        near = Lerp(part.low - first, part.high - first, part.weight)
        image[start:stop] = lerps[2].along(lerps[1].along(near.along(slab, 0), 1), 2)
    return image
