"""Acquired values to network input: one affine map with clipping a volume."""

import dataclasses

import numpy as np
import torch

from sightline.values.arrays import Voxels
from sightline.values.plan import Intensity

# Half a per cent at either end is metal, motion or noise (10.1038/s41592-020-01008-z).
_QUANTILES = (0.005, 0.995)
_MOST_COUNTED = 4_000_000


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """`(clip(stored value, low, high) - centre) / width`, in stored integers."""

    low: float
    high: float
    centre: float
    width: float

    def apply(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return float32 network input; `voxels` may be of any type and shape."""
        values = voxels.to(torch.float32).clamp_(self.low, self.high)
        return values.sub_(self.centre).div_(self.width)


def as_tensor(voxels: Voxels) -> torch.Tensor:
    """Share the memory of `voxels` where torch computes with their type, else widen them."""
    wider = {"u2": np.int32, "u4": np.int64}.get(voxels.dtype.str[1:])
    return torch.from_numpy(np.ascontiguousarray(voxels, dtype=wider))


def needs_voxels(intensity: Intensity) -> bool:
    """Tell whether the scaling follows from the voxels of each volume."""
    return intensity.scheme == "robust"


def window_scaling(intensity: Intensity, *, slope: float, intercept: float) -> Scaling:
    """Map a fixed window to 0..1; what lies outside a volume is 0 too, which is air."""
    if intensity.window is None:
        raise AssertionError("a window scheme has a window")
    low, high = sorted((edge - intercept) / slope for edge in intensity.window)
    at_zero = (intensity.window[0] - intercept) / slope
    return Scaling(low=low, high=high, centre=at_zero, width=(high - low) * np.sign(slope))


def robust_scaling(voxels: Voxels) -> Scaling:
    """Centre the foreground of a volume at 0 with deviation 1; its scale and offset drop out.

    Foreground is what is brighter than the mean, so air around the body does not count.
    """
    step = max(1, round((voxels.size / _MOST_COUNTED) ** (1 / 3)))
    counted = voxels[::step, ::step, ::step].astype(np.float64)
    low, high = (float(edge) for edge in np.quantile(counted, _QUANTILES))
    kept = counted.clip(low, high)
    foreground = kept[kept > kept.mean()]
    if foreground.size == 0:
        return Scaling(low=low, high=high, centre=low, width=1.0)
    centre, width = float(foreground.mean()), float(foreground.std())
    return Scaling(low=low, high=high, centre=centre, width=width or 1.0)


def scaling_of(voxels: Voxels, intensity: Intensity, *, slope: float, intercept: float) -> Scaling:
    """Return the scaling of one volume; `slope * voxels + intercept` is in its unit."""
    if needs_voxels(intensity):
        return robust_scaling(voxels)
    return window_scaling(intensity, slope=slope, intercept=intercept)
