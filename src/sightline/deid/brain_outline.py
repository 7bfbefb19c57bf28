"""Where the brain ends seen from the side: the outline of a mean brain, laid over a found one.

The outlines were measured on the ICBM 152 nonlinear symmetric template of 2009 (Fonov et al.,
doi:10.1016/j.neuroimage.2010.07.033): convex hulls of the brain as seen from the side, of all of it
and of what lies at least so far from the midline. (back, up) in mm of the MNI space.
"""

import dataclasses
import itertools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.deid.solids import Solid

Plane: TypeAlias = npt.NDArray[np.float64]
"""(points, 2): back and up, in mm; a convex outline, counterclockwise."""
Numbers: TypeAlias = npt.NDArray[np.floating]

MEAN_HALF_WIDTH_MM = 72.5
_OUTLINES: dict[int, tuple[tuple[int, int], ...]] = {
    0: ((-72, -11), (-61, -28), (43, -72), (48, -72), (78, -58), (88, -48), (105, -12), (107, 9),
        (92, 41), (78, 61), (53, 78), (41, 82), (1, 77), (-23, 68), (-47, 53), (-58, 42), (-69, 23),
        (-73, 9)),
    28: ((-67, -12), (-65, -16), (-20, -46), (-4, -52), (59, -64), (68, -63), (76, -59), (85, -50),
         (103, -5), (100, 15), (87, 42), (75, 58), (64, 68), (49, 74), (15, 76), (-15, 65),
         (-30, 56), (-55, 35), (-68, 9)),
    40: ((-62, -10), (-60, -14), (-13, -48), (56, -61), (69, -59), (79, -50), (94, -8), (94, 3),
         (87, 31), (81, 43), (72, 53), (53, 66), (36, 70), (18, 70), (-12, 61), (-28, 51),
         (-49, 30), (-58, 16), (-62, 4)),
    50: ((-49, -10), (-46, -15), (-11, -44), (2, -48), (61, -51), (74, -39), (84, -4), (84, 7),
         (76, 36), (69, 47), (59, 55), (23, 64), (-15, 49), (-27, 40), (-44, 18)),
    60: ((-6, -30), (2, -36), (16, -38), (55, -24), (64, -16), (67, -10), (68, 7), (61, 37),
         (49, 49), (36, 53), (17, 51), (-8, 37), (-24, 15)),
}  # fmt: skip
BANDS_MM = tuple(_OUTLINES)
_MIDDLE = np.array([17.0, 5.0])
# The longest axis of the mean brain falls to the back by that much.
_AXIS_DEGREES = -10.3
_MOST_NOD_DEGREES = 32.0
_SCALES = (0.75, 1.2)
_USUAL_SCALE = 0.93
# Nod in degrees, two scales, two shifts in mm, ever finer.
_STEPS = (
    (8, 0.06, 0.06, 9, 9),
    (4, 0.03, 0.03, 4, 4),
    (2, 0.015, 0.015, 2, 2),
    (1, 0.01, 0.01, 1, 1),
)
_GAIN = 1e-6
# What looks like brain in front and below may be eyes and palate.
_DOUBTFUL_WEIGHT = 0.15


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OutlineFit:
    """The mean brain laid over a found one.

    Attributes:
        nod_degrees: by which the chin is on the chest, or negative.
        scales: along back and up.
        middle: (back, up) of the template's middle, in mm.
        overlap: shared area over joint area, within the field of view.
    """

    nod_degrees: float
    scales: tuple[float, float]
    middle: tuple[float, float]
    overlap: float

    def outline(self, band: int) -> Plane:
        """Return one of the template's outlines where it lies."""
        points = (np.array(_OUTLINES[band], dtype=np.float64) - _MIDDLE) * self.scales
        cos, sin = _turn(self.nod_degrees)
        back = cos * points[:, 0] - sin * points[:, 1] + self.middle[0]
        up = sin * points[:, 0] + cos * points[:, 1] + self.middle[1]
        return np.stack([back, up], axis=1)

    def template_place(self, back: Numbers, up: Numbers) -> tuple[Numbers, Numbers]:
        """Return back and up in the space of the template."""
        cos, sin = _turn(self.nod_degrees)
        across, along = back - np.float32(self.middle[0]), up - np.float32(self.middle[1])
        return (
            (across * np.float32(cos / self.scales[0]) + along * np.float32(sin / self.scales[0]))
            + np.float32(_MIDDLE[0]),
            (along * np.float32(cos / self.scales[1]) - across * np.float32(sin / self.scales[1]))
            + np.float32(_MIDDLE[1]),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FromSide:
    """A head seen from the side, on a grid of (up, back).

    Attributes:
        seen: where the brain was found.
        may_be: where it may be: not close under the skin.
        is_scanned: where the field of view is.
        back_mm: places of the columns.
        up_mm: places of the rows.
    """

    seen: Solid
    may_be: Solid
    is_scanned: Solid
    back_mm: Numbers
    up_mm: Numbers


def fit_outline(head: FromSide) -> OutlineFit:
    """Lay the mean brain over a found one."""
    search = _Search(head)
    rows, columns = np.nonzero(head.seen)
    places = np.stack([head.back_mm[columns], head.up_mm[rows]], axis=1)
    middle = places.mean(axis=0)
    axis = np.linalg.eigh(np.cov(places.T))[1][:, 1]
    axis = axis * np.copysign(1.0, axis[0])
    nod = float(np.degrees(np.arctan2(axis[1], axis[0]))) - _AXIS_DEGREES
    starts = (
        (float(first), _USUAL_SCALE, _USUAL_SCALE, float(middle[0]), float(middle[1]))
        for first in (np.clip(nod, -25, 25), 0.0, -12.0, 12.0)
    )
    return search.fit_of(min((search.descend(start) for start in starts), key=search.cost))


_Pose: TypeAlias = tuple[float, float, float, float, float]


class _Search:
    """Looks for the place of the mean brain that agrees best."""

    def __init__(self, head: FromSide) -> None:
        self._seen, self._is_scanned = head.seen & head.is_scanned, head.is_scanned
        self._shallow = head.is_scanned & ~head.may_be
        self._back = head.back_mm[None, :].astype(np.float32)
        self._up = head.up_mm[:, None].astype(np.float32)

    def fit_of(self, pose: _Pose) -> OutlineFit:
        template = self._inside(pose) & self._is_scanned
        joint = (template | self._seen).sum()
        return OutlineFit(
            nod_degrees=pose[0],
            scales=(pose[1], pose[2]),
            middle=(pose[3], pose[4]),
            overlap=float((template & self._seen).sum() / max(joint, 1)),
        )

    def descend(self, pose: _Pose) -> _Pose:
        cost = self.cost(pose)
        for steps in _STEPS:
            is_better = True
            while is_better:
                is_better = False
                for axis, sign in itertools.product(range(len(steps)), (1, -1)):
                    tried = list(pose)
                    tried[axis] += sign * steps[axis]
                    new = (tried[0], tried[1], tried[2], tried[3], tried[4])
                    found = self.cost(new)
                    if found < cost - _GAIN:
                        pose, cost, is_better = new, found, True
        return pose

    def cost(self, pose: _Pose) -> float:
        nod, along, high, back, up = pose
        if abs(nod) > _MOST_NOD_DEGREES or not all(
            _SCALES[0] <= each <= _SCALES[1] for each in (along, high)
        ):
            return np.inf
        template = self._inside(pose)
        missed = (template & self._is_scanned & ~self._seen).sum()
        missed += (template & self._shallow).sum()
        is_doubtful = ((self._back - back) + 0.6 * (self._up - up) < -20) & (self._up < up)  # noqa: PLR2004 - mm
        beyond = self._seen & ~template
        more = beyond.sum() - (1 - _DOUBTFUL_WEIGHT) * (beyond & is_doubtful).sum()
        size = max((template & self._is_scanned).sum(), 1)
        odd = (
            (along - _USUAL_SCALE) ** 2 + (high - _USUAL_SCALE) ** 2 + 12 * (high / along - 1) ** 2
        )
        return float((missed + more) / size + 0.3 * odd + 2e-5 * nod**2)

    def _inside(self, pose: _Pose) -> Solid:
        fit = OutlineFit(
            nod_degrees=pose[0], scales=(pose[1], pose[2]), middle=(pose[3], pose[4]), overlap=0.0
        )
        return outside_mm(fit.outline(0), self._back, self._up) <= 0


def outside_mm(outline: Plane, back: Numbers, up: Numbers) -> npt.NDArray[np.float32]:
    """Return how far points lie beyond the edges of a convex outline; negative within."""
    farthest = np.full(np.broadcast(back, up).shape, -np.inf, dtype=np.float32)
    for first, second in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        edge = second - first
        length = float(np.hypot(*edge))
        if length <= 0:
            continue
        normal = (np.float32(edge[1] / length), np.float32(-edge[0] / length))
        beyond = (back - np.float32(first[0])) * normal[0] + (up - np.float32(first[1])) * normal[1]
        np.maximum(farthest, beyond, out=farthest)
    return farthest


def hull(points: Plane) -> Plane:
    """Return the convex hull of points, counterclockwise (Andrew's monotone chain)."""
    ordered = sorted({(float(back), float(up)) for back, up in points})
    lower, upper = _chain(ordered), _chain(ordered[::-1])
    return np.array(lower[:-1] + upper[:-1])


def _chain(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for point in ordered:
        while len(kept) > 1 and _bend(kept[-2], kept[-1], point) <= 0:
            kept.pop()
        kept.append(point)
    return kept


def _bend(
    first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]
) -> float:
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (
        third[0] - first[0]
    )


def _turn(degrees: float) -> tuple[float, float]:
    angle = np.radians(degrees)
    return float(np.cos(angle)), float(np.sin(angle))
