"""Acquired values to network input: one affine map with clipping a volume."""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from sightline.values.arrays import Voxels
from sightline.values.plan import Intensity

# Half a per cent at either end is metal, motion or noise (10.1038/s41592-020-01008-z).
_QUANTILES = (0.005, 0.995)
_MOST_COUNTED = 4_000_000
_NO_WINDOW = (-np.inf, np.inf)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """`(clip(stored value, low, high) - centre) / width`, in stored integers.

    Attributes:
        zero: the stored value that becomes 0 whatever the rest says; None where there is none.
    """

    low: float
    high: float
    centre: float
    width: float
    zero: float | None = None

    def apply(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return float32 network input; `voxels` may be of any type and shape."""
        values = voxels.to(torch.float32, copy=True).clamp_(self.low, self.high)
        values.sub_(self.centre).div_(self.width)
        return values if self.zero is None else values.masked_fill_(voxels == self.zero, 0.0)


def as_tensor(voxels: Voxels) -> torch.Tensor:
    """Share the memory of `voxels` where torch computes with their type, else widen them."""
    wider = {"u2": np.int32, "u4": np.int64}.get(voxels.dtype.str[1:])
    return torch.from_numpy(np.ascontiguousarray(voxels, dtype=wider))


def window_scaling(intensity: Intensity, *, slope: float, intercept: float) -> Scaling:
    """Map a fixed window to 0..1; what lies outside a volume is 0 too, which is air."""
    if intensity.window is None:
        raise AssertionError("a window scheme has a window")
    low, high = sorted((edge - intercept) / slope for edge in intensity.window)
    at_zero = (intensity.window[0] - intercept) / slope
    return Scaling(low=low, high=high, centre=at_zero, width=(high - low) * np.sign(slope))


def robust_scaling(voxels: Voxels, *, slope: float = 1.0) -> Scaling:
    """Centre the foreground of a volume at 0 with deviation 1; its scale and offset drop out.

    Foreground is what is brighter than the mean, so air around the body does not count. Where
    `slope` is negative, low stored values are bright.
    """
    if slope < 0:
        turned = robust_scaling(np.negative(voxels, dtype=np.float32))
        return Scaling(
            low=-turned.high, high=-turned.low, centre=-turned.centre, width=-turned.width
        )
    step = max(1, round((voxels.size / _MOST_COUNTED) ** (1 / 3)))
    counted = voxels[::step, ::step, ::step].astype(np.float64)
    low, high = (float(edge) for edge in np.quantile(counted, _QUANTILES))
    kept = counted.clip(low, high)
    foreground = kept[kept > kept.mean()]
    if foreground.size == 0:
        return Scaling(low=low, high=high, centre=low, width=1.0)
    centre, width = float(foreground.mean()), float(foreground.std())
    return Scaling(low=low, high=high, centre=centre, width=width or 1.0)


def fixed_scaling(intensity: Intensity, *, slope: float, intercept: float) -> Scaling:
    """Clip to a window, take a centre away and divide by a width, the same for every volume."""
    low, high = sorted((edge - intercept) / slope for edge in intensity.window or _NO_WINDOW)
    centre = (intensity.centre - intercept) / slope
    return Scaling(low=low, high=high, centre=centre, width=intensity.width / slope)


def deviation_scaling(
    voxels: Voxels, intensity: Intensity, *, slope: float, intercept: float
) -> Scaling:
    """Make the counted voxels of a volume zero-mean with unit deviation."""
    zero = -intercept / slope
    counted = voxels
    if intensity.counted == "box":
        counted = _box(voxels, zero)
    elif intensity.counted == "nonzero":
        counted = voxels[voxels != zero]
    centre, width = _moments(counted)
    return Scaling(
        low=-np.inf,
        high=np.inf,
        centre=centre,
        width=(width or 1.0) * np.sign(slope),
        zero=zero if intensity.counted == "nonzero" else None,
    )


def range_scaling(voxels: Voxels, *, slope: float) -> Scaling:
    """Map what a volume covers to 0..1."""
    low, high = float(voxels.min()), float(voxels.max())
    if slope < 0:
        low, high = high, low
    return Scaling(low=-np.inf, high=np.inf, centre=low, width=(high - low) or 1.0)


def scaling_of(
    read: Callable[[], Voxels], intensity: Intensity, *, slope: float, intercept: float
) -> Scaling:
    """Return the scaling of one volume; `slope * voxels + intercept` is in its unit.

    Args:
        read: gives the voxels; called only where the scaling follows from them.
        intensity: the scheme.
        slope: of the volume.
        intercept: of the volume.
    """
    match intensity.scheme:
        case "window":
            found = window_scaling(intensity, slope=slope, intercept=intercept)
        case "robust":
            found = robust_scaling(read(), slope=slope)
        case "fixed":
            found = fixed_scaling(intensity, slope=slope, intercept=intercept)
        case "deviation":
            found = deviation_scaling(read(), intensity, slope=slope, intercept=intercept)
        case "range":
            found = range_scaling(read(), slope=slope)
    return found


def _box(voxels: Voxels, zero: float) -> Voxels:
    """Return the smallest box that holds every voxel but those of one value."""
    is_other = voxels != zero
    if not is_other.any():
        return voxels
    sides = []
    for axis in range(voxels.ndim):
        others = tuple(other for other in range(voxels.ndim) if other != axis)
        where = np.flatnonzero(is_other.any(axis=others))
        sides.append(slice(int(where[0]), int(where[-1]) + 1))
    return voxels[tuple(sides)]


def _moments(values: Voxels) -> tuple[float, float]:
    """Return mean and deviation, part by part: a whole volume in float64 is large."""
    if not values.size:
        return 0.0, 0.0
    mean = float(values.mean(dtype=np.float64))
    parts = np.array_split(values, max(1, values.size // _MOST_COUNTED))
    squares = sum(float(np.square(part - mean, dtype=np.float64).sum()) for part in parts)
    return mean, float(np.sqrt(squares / values.size))
