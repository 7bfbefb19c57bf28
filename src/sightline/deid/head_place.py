"""Where a head lies in a volume, how it is turned, and behind which surface its brain is safe."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sightline.deid.brain_outline import (
    BANDS_MM,
    MEAN_HALF_WIDTH_MM,
    FromSide,
    Numbers,
    OutlineFit,
    Plane,
    fit_outline,
    hull,
    outside_mm,
)
from sightline.deid.cranium import brain_in, head_in, middle_of, vault_of
from sightline.deid.solids import Solid, eroded
from sightline.deid.upright import (
    STEP_MM,
    UNTURNED,
    Rotation,
    Upright,
    Values,
    Vector,
    midline,
    upright,
)
from sightline.errors import Refused
from sightline.values.volume import Volume

_HINT = "Keep the images inside, or leave the series out."

_LEAST_LIKENESS, _LEAST_OVERLAP = 0.6, 0.8
_LEAST_BRAIN_ML, _MOST_BRAIN_ML = 450.0, 2800.0
_SEEN_MM, _SCANNED_MM = 15.0, 60.0
# No brain lies nearer under the skin, seen from the side where the head is that wide.
_DEEP_MM, _DEEP_WIDE_MM = 9.0, 30.0
# How far a found brain may stand out of the mean one and still be believed.
_BELIEVED_MM = {0: 8.0, 28: 9.0, 40: 10.0, 50: 12.0, 60: 14.0}
_SKIN_DEPTHS_MM = (0.0, 24.0)
_MIDDLE_MM, _FEWEST_DEPTHS = 60.0, 10
# From the brain to the nearest voxel that is cleared; bone shows where a brain ends better than the
# dark of bone and fluid does.
_SAFE_MM = {"CT": 8.0, "MR": 10.0}

_BROW_UP, _THROAT_BACK = 5.0, 12.0
_EAR_BACK, _EAR_UP = (-15.0, 58.0), (-100.0, 0.0)
_EAR_MM = 9.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HeadPlace:
    """A head in a volume.

    Attributes:
        grid: the volume, stood upright.
        head: what is head in it.
        brain: what is brain.
        middle: a point near the middle of the cranium, in the midline.
        half_width_mm: of the brain.
        safe_mm: what stays around the brain.
        fit: where a mean brain lies.
        outlines: by distance from the midline: all of the brain at least that far out lies within.
    """

    grid: Upright
    head: Solid
    brain: Solid
    middle: Vector
    half_width_mm: float
    safe_mm: float
    fit: OutlineFit
    outlines: tuple[tuple[float, Plane], ...]

    @property
    def middle_left(self) -> float:
        """Where the midline lies, in mm."""
        return float(self.middle[0])

    @property
    def rotation(self) -> Rotation:
        """From LPS to (left, back, up) of the head."""
        return self.grid.rotation

    def is_face(
        self, left: Numbers, back: Numbers, up: Numbers, *, beyond_mm: float = 0.0
    ) -> Solid:
        """Tell of places in the head's frame, in mm, whether they belong to what is cleared.

        In front of the throat and below the brow, all but the brain, what lies behind it and above
        it; and beside the brain, the ears. Every cut runs along straight lines from left to right,
        so that no form of the face is kept.

        Args:
            left: broadcasts with the others.
            back: the same.
            up: the same.
            beyond_mm: only what lies so much deeper in the face's region, and no ears.
        """
        shape = np.broadcast_shapes(left.shape, back.shape, up.shape)
        side = np.abs(left - np.float32(self.middle_left))
        template_back, template_up = self.fit.template_place(back, up)
        is_front = (template_back < _THROAT_BACK - beyond_mm) & (template_up < _BROW_UP - beyond_mm)
        face = np.broadcast_to(is_front, shape).copy()
        chosen = np.nonzero(face)
        places = [np.broadcast_to(each, shape)[chosen] for each in (side, back, up)]
        face[chosen] = self._is_before_brain(*places, reach_mm=self.safe_mm + beyond_mm)
        if beyond_mm:
            return face
        is_ear = (side > self.half_width_mm + _EAR_MM) & _between(template_back, _EAR_BACK)
        whole: Solid = face | (is_ear & _between(template_up, _EAR_UP))
        return whole

    def _is_before_brain(
        self, side: Numbers, back: Numbers, up: Numbers, *, reach_mm: float
    ) -> npt.NDArray[np.bool_]:
        """Tell of points, one each, whether they lie beyond the outline for their side."""
        is_before = np.zeros(len(side), dtype=np.bool_)
        starts = [-np.inf, *(limit + self.safe_mm for limit, _ in self.outlines[1:]), np.inf]
        for (_, outline), first, last in zip(self.outlines, starts[:-1], starts[1:], strict=True):
            band = np.flatnonzero((side >= first) & (side < last))
            is_before[band] = outside_mm(outline, back[band], up[band]) > reach_mm
        return is_before


def place_head(volume: Volume) -> HeadPlace:
    """Find head and brain in a volume.

    Raises:
        Refused: They are not found with certainty; the problem says what is missing.
    """
    if volume.modality not in {"CT", "MR"}:
        raise unsure(f"faces are looked for in CT and MR, this is {volume.modality!r}")
    values = even_values(volume)
    affine = volume.geometry.matrix
    grid = upright(values, affine, UNTURNED)
    head = head_in(grid, volume.modality)
    if not head.any():
        raise unsure("there is no tissue in it")
    rotation, middle, likeness = midline(grid, head, middle_of(grid, head))
    if likeness < _LEAST_LIKENESS:
        raise unsure("no head was found: its halves are not alike")
    grid = upright(values, affine, rotation, around=grid.points(head) @ rotation.T)
    place = place_in(grid, volume.modality, middle=middle, safe_mm=_safe_mm(volume))
    _check_depth(place)
    return place


def place_in(grid: Upright, modality: str, *, middle: Vector, safe_mm: float) -> HeadPlace:
    """Find head and brain in a volume that stands upright.

    Args:
        grid: the volume.
        modality: `CT` or `MR`.
        middle: a point near the middle of the cranium, in the midline.
        safe_mm: what is to stay around the brain.

    Raises:
        Refused: They are not found with certainty.
    """
    head = head_in(grid, modality)
    vault = vault_of(grid, head, middle)
    brain = brain_in(grid, head, vault, modality=modality)
    volume_ml = float(brain.sum()) * STEP_MM**3 / 1000
    if not _LEAST_BRAIN_ML <= volume_ml <= _MOST_BRAIN_ML:
        raise unsure("no brain was found, or only a part of one")
    return _placed(grid, head, brain, middle=middle, safe_mm=safe_mm)


def even_values(volume: Volume) -> Values:
    """Return HU, or signal, of a volume."""
    even = volume.evened()
    values: Values = even.voxels.astype(np.float32) * np.float32(even.slope)
    return values + np.float32(even.intercept)


def places_of(
    matrix: npt.NDArray[np.float64], shape: tuple[int, int, int]
) -> Iterator[tuple[Values, Values, Values]]:
    """Yield left, back and up of the voxels of one slice after the other.

    Args:
        matrix: (3, 4), from voxels to the head's frame.
        shape: of the volume.
    """
    rows, columns = (np.arange(count, dtype=np.float32) for count in shape[1:])
    left, back, up = (
        np.float32(line[1]) * rows[:, None] + (np.float32(line[2]) * columns + np.float32(line[3]))
        for line in matrix
    )
    for number in range(shape[0]):
        step = (number * matrix[:, 0]).astype(np.float32)
        yield left + step[0], back + step[1], up + step[2]


def _safe_mm(volume: Volume) -> float:
    """Return what stays around the brain: more where thick slices blur its end."""
    thickest = max(volume.geometry.spacing_mm)
    return _SAFE_MM[volume.modality] + max(0.0, thickest - STEP_MM)


def unsure(why: str) -> Refused:
    """Return the error that says why a face can be neither excluded nor removed."""
    return Refused(f"a face cannot be removed with certainty: {why}", hint=_HINT)


def _placed(
    grid: Upright, head: Solid, brain: Solid, *, middle: Vector, safe_mm: float
) -> HeadPlace:
    middle_left = float(middle[0])
    deep = eroded(head | ~grid.is_scanned, _DEEP_MM / STEP_MM)
    side_view = FromSide(
        seen=brain.sum(axis=2) * STEP_MM >= _SEEN_MM,
        may_be=deep.sum(axis=2) * STEP_MM >= _DEEP_WIDE_MM,
        is_scanned=grid.is_scanned.sum(axis=2) * STEP_MM >= _SCANNED_MM,
        back_mm=grid.axis_mm(1),
        up_mm=grid.axis_mm(2),
    )
    fit = fit_outline(side_view)
    if fit.overlap < _LEAST_OVERLAP:
        raise unsure("what was found has not the form of a brain")
    far = np.abs(grid.points(brain)[:, 0] - middle_left)
    half_width = float(np.percentile(far, 99.5))
    scale = half_width / MEAN_HALF_WIDTH_MM
    outlines = tuple(
        (
            band * scale,
            _believed(fit, band, seen=_from_side(grid, brain, (band * scale, middle_left))),
        )
        for band in BANDS_MM
    )
    return HeadPlace(
        grid=grid,
        head=head,
        brain=brain,
        middle=middle,
        half_width_mm=half_width,
        safe_mm=safe_mm,
        fit=fit,
        outlines=outlines,
    )


def _from_side(grid: Upright, brain: Solid, limits: tuple[float, float]) -> Plane:
    """Return (back, up) of what is brain somewhere so far, or farther, from the midline."""
    least_mm, middle_left = limits
    is_out = np.abs(grid.axis_mm(0) - middle_left) >= least_mm
    rows, columns = np.nonzero(brain[:, :, is_out].any(axis=2))
    return np.stack([grid.axis_mm(1)[columns], grid.axis_mm(2)[rows]], axis=1)


def _believed(fit: OutlineFit, band: int, *, seen: Plane) -> Plane:
    """Return the outline of the mean brain together with what was found close to it."""
    template = fit.outline(band)
    near = outside_mm(template, seen[:, 0], seen[:, 1]) <= _BELIEVED_MM[band]
    return hull(np.vstack([seen[near], template]))


def _check_depth(placed: HeadPlace) -> None:
    """Refuse a brain that does not lie under the skin of its head as brains do."""
    grid, fit = placed.grid, placed.fit
    column = round((placed.middle_left - grid.origin[0]) / STEP_MM)
    if not 0 <= column < placed.head.shape[2]:
        raise unsure("the midline lies outside of the image")
    skin = placed.head[:, :, column]
    back, up = grid.axis_mm(1)[None, :], grid.axis_mm(2)[:, None]
    template = outside_mm(fit.outline(0), back, up) <= 0
    is_middle = np.abs(back[0] - fit.middle[0]) < _MIDDLE_MM * fit.scales[0]
    # Where the field of view cuts the head, its skin is not seen.
    above = np.roll(grid.is_scanned[:, :, column], -1, axis=0)
    depths = [
        STEP_MM * (_top(skin[:, number]) - _top(template[:, number]))
        for number in np.flatnonzero(is_middle & skin.any(axis=0) & template.any(axis=0))
        if above[_top(skin[:, number]), number]
    ]
    low, high = _SKIN_DEPTHS_MM
    if len(depths) > _FEWEST_DEPTHS and not low <= float(np.median(depths)) <= high:
        raise unsure("the brain does not lie under the skin as brains do")


def _top(line: Solid) -> int:
    return int(np.flatnonzero(line)[-1])


def _between(values: Numbers, limits: tuple[float, float]) -> Solid:
    inside: Solid = (values > limits[0]) & (values < limits[1])
    return inside
