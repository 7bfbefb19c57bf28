"""The head of a phantom: skin, skull, brain, eyes and face, as solids in a frame of its own.

Coordinates are (up, back, left) in mm from the middle of the brain, about those of the MNI space
with the front turned to negative `back`. One seed is one person: size, nose, chin, brow, ears, neck
and thickness of skull and scalp differ.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float32]
Points: TypeAlias = tuple[Values, Values, Values]
"""Up, back and left of every voxel, in mm."""
Vector: TypeAlias = tuple[float, float, float]
Depth: TypeAlias = Callable[[Points], Values]
"""How deep a point lies inside a solid, in mm; negative outside."""

_BLEND_MM = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Something to paint over what was painted before.

    Attributes:
        tissue: its name in the table of a contrast.
        low: lowest corner of a box that holds it.
        high: highest corner.
    """

    tissue: str
    depth: Depth
    low: Vector
    high: Vector


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HeadAnatomy:
    """One head.

    Attributes:
        parts: in the order in which they are painted.
        brain: cerebrum, cerebellum and brain stem.
        brow_up: the face lies below it.
        chin_up: and above it.
        face_back: and in front of it.
    """

    parts: tuple[Part, ...]
    brain: Part
    brow_up: float
    chin_up: float
    face_back: float


def head_anatomy(seed: int) -> HeadAnatomy:
    """Make up the head that a seed names."""
    return _Builder(np.random.default_rng((seed, 20))).build()


class _Builder:
    """Draws the measures of one head, and makes its parts."""

    def __init__(self, rng: np.random.Generator) -> None:
        draw = rng.uniform
        self.size = draw(0.87, 0.99) * np.array([draw(0.96, 1.04), draw(0.96, 1.04), 1.0])
        self.gap, self.bone, self.scalp = draw(1.5, 3.5), draw(4.5, 8.0), draw(4.0, 8.0)
        self.nose, self.nose_drop = draw(12, 26), draw(-4, 4)
        self.chin, self.jaw_wide, self.face_long = draw(-8, 6), draw(-6, 6), draw(-8, 8)
        self.brow, self.eyes_apart = draw(-3, 4), draw(29, 34)
        self.lips, self.cheeks = draw(4, 8), draw(-4, 6)
        self.ear_long, self.ear_out = draw(24, 34), draw(3, 10)
        self.neck_deep, self.neck_wide, self.neck_back = draw(46, 60), draw(48, 64), draw(15, 40)
        self.frontal = draw(-4, 4)
        self.temporal = draw(-4, 3)
        self.orbit_roof = draw(1.0, 2.0)

    def build(self) -> HeadAnatomy:
        brain = self._brain()
        up, back = self.size[0], self.size[1]
        return HeadAnatomy(
            parts=(*self._skin(brain), *self._inside(), *self._skull(brain), *self._orbits(brain)),
            brain=brain,
            brow_up=-14.0 * up,
            chin_up=(-136.0 - self.face_long) * up,
            face_back=-50.0 * back,
        )

    def _ball(self, centre: Vector, half: Vector) -> tuple[Depth, Vector, Vector]:
        middle = np.asarray(centre) * self.size
        axes = np.asarray(half) * self.size
        return _ellipsoid(middle, axes), _corner(middle - axes), _corner(middle + axes)

    def _tube(self, start: Vector, end: Vector, radius: float) -> tuple[Depth, Vector, Vector]:
        first, last = np.asarray(start) * self.size, np.asarray(end) * self.size
        low, high = np.minimum(first, last) - radius, np.maximum(first, last) + radius
        return _capsule(first, last, radius), _corner(low), _corner(high)

    def _part(self, tissue: str, *shapes: tuple[Depth, Vector, Vector]) -> Part:
        return Part(
            tissue=tissue,
            depth=_union(*(shape[0] for shape in shapes)),
            low=_corner(np.min([shape[1] for shape in shapes], axis=0)),
            high=_corner(np.max([shape[2] for shape in shapes], axis=0)),
        )

    def _both(self, tissue: str, centre: Vector, half: Vector) -> Part:
        mirrored = (centre[0], centre[1], -centre[2])
        return self._part(tissue, self._ball(centre, half), self._ball(mirrored, half))

    def _brain(self) -> Part:
        front, lobe = self.frontal, self.temporal
        return self._part(
            "grey",
            self._ball((22, 22, 0), (52, 84, 66)),
            self._ball((2, 24, 0), (44, 76, 63)),
            self._ball((38, 44, 0), (43, 44, 48)),
            *(self._ball((-2, -28 + front, side * 24), (27, 42, 25)) for side in (-1, 1)),
            *(self._ball((-28, 18 + lobe, side * 46), (22, 42, 22)) for side in (-1, 1)),
            self._ball((-42, 62, 0), (27, 30, 52)),
            self._tube((-20, 22, 0), (-68, 38, 0), 13.0),
        )

    def _skin(self, brain: Part) -> tuple[Part, ...]:
        """Scalp, face, neck and ears; the eyes' hollows are cut before lids and brow are put in."""
        shell = self.gap + self.bone + self.scalp
        face, long = self.cheeks, self.face_long
        return (
            self._part(
                "skin",
                self._ball((-75 - long / 2, -36, 0), (64 + long / 2, 54, 60 + face)),
                self._ball((-56, 6, 0), (64, 66, 70 + face)),
                self._ball((10, 18, 0), (60, 90, 74)),
                self._ball((-118 - long, -62 - self.chin, 0), (19, 24, 32 + self.jaw_wide)),
                *(self._ball((-60, -58, side * 50), (20, 24, 18 + face)) for side in (-1, 1)),
                self._neck(),
                _grown(brain, shell),
            ),
            self._both("air", (-40, -96, self.eyes_apart), (13, 18, 17)),
            self._part(
                "skin",
                *(
                    self._ball((-40, -64, side * self.eyes_apart), (15, 14.5, 15))
                    for side in (-1, 1)
                ),
                *(self._ball((-23, -76 - self.brow, side * 22), (8, 11, 24)) for side in (-1, 1)),
                self._tube((-42, -82, 0), (-76 + self.nose_drop, -88 - self.nose, 0), 8.0),
                *(
                    self._ball((-80 + self.nose_drop, -86 - self.nose / 3, side * 12), (8, 12, 8))
                    for side in (-1, 1)
                ),
                self._ball((-98 - long / 2, -86, 0), (5, 3 + self.lips, 24)),
                self._ball((-108 - long / 2, -85, 0), (6, 3 + self.lips, 21)),
                *(
                    self._ball(
                        (-44, 26, side * (76 + self.ear_out)), (self.ear_long, 18, 5 + self.ear_out)
                    )
                    for side in (-1, 1)
                ),
            ),
            self._both("air", (-44, 24, 84 + 2 * self.ear_out), (14, 8, 7)),
        )

    def _neck(self) -> tuple[Depth, Vector, Vector]:
        middle = np.array([-190.0, self.neck_back, 0.0]) * self.size
        axes = np.array([130.0, self.neck_deep, self.neck_wide])
        return _ellipsoid(middle, axes), _corner(middle - axes), _corner(middle + axes)

    def _inside(self) -> tuple[Part, ...]:
        """What lies within the face: muscle, jaws, teeth, air."""
        long = self.face_long
        return (
            self._part(
                "muscle",
                self._ball((-72 - long / 2, -34, 0), (56 + long / 2, 44, 52)),
                self._ball((-150, self.neck_back, 0), (90, self.neck_deep - 9, self.neck_wide - 9)),
            ),
            self._both("fat", (-78, -52, 42), (20, 18, 10)),
            self._part("bone", self._ball((-84, -58, 0), (18, 22, 27))),
            self._part(
                "bone",
                *(
                    self._tube((-60, 8, side * 48), (-108 - long, -4, side * 44), 7.0)
                    for side in (-1, 1)
                ),
                *(
                    self._tube(
                        (-108 - long, -4, side * 44), (-120 - long, -62 - self.chin, side * 10), 7.0
                    )
                    for side in (-1, 1)
                ),
            ),
            self._part("tooth", self._ball((-103 - long / 2, -70, 0), (8, 4, 22))),
            self._part("air", self._ball((-66, -56, 0), (20, 36, 11))),
            self._both("air", (-66, -48, 29), (16, 15, 12)),
            self._part("air", self._ball((-40, -24, 0), (8, 12, 12))),
            self._part("air", self._tube((-66, -18, 0), (-190, self.neck_back - 22, 0), 8.0)),
            self._part("bone", self._tube((-82, 46, 0), (-220, self.neck_back + 16, 0), 17.0)),
            self._part("fluid", self._tube((-72, 42, 0), (-220, self.neck_back + 22, 0), 8.0)),
        )

    def _skull(self, brain: Part) -> tuple[Part, ...]:
        """Bone around the brain, marrow in it where it is thick, fluid, grey and white matter."""
        layers = (
            ("bone", self.gap + self.bone),
            ("marrow", self.gap + self.bone * 0.65),
            ("bone", self.gap + self.bone * 0.35),
            ("fluid", self.gap),
        )
        white = self._part(
            "white",
            self._ball((24, 17, 30), (40, 70, 24)),
            self._ball((24, 17, -30), (40, 70, 24)),
            *(self._ball((-28, 18, side * 44), (12, 32, 12)) for side in (-1, 1)),
            self._tube((-16, 22, 0), (-66, 38, 0), 9.0),
        )
        ventricles = self._both("fluid", (26, 14, 10), (12, 34, 6))
        canal = self._part("fluid", self._tube((-60, 36, 0), (-90, 46, 0), 14.0))
        sinus = self._both("air", (-18, -74 - self.frontal, 7), (7, 4, 8))
        shells = (
            Part(tissue=tissue, depth=depth, low=low, high=high)
            for tissue, (depth, low, high) in (
                (tissue, _grown(brain, thickness)) for tissue, thickness in layers
            )
        )
        return (*shells, canal, brain, white, ventricles, sinus)

    def _orbits(self, brain: Part) -> tuple[Part, ...]:
        """Eyes in their fat, up to a roof of thin bone under the brain."""
        apart = self.eyes_apart
        parts = (
            self._both("fat", (-42, -52, apart - 1), (14, 17, 14)),
            self._both("muscle", (-42, -38, apart - 6), (4, 14, 4)),
            self._both("vitreous", (-41, -62, apart), (11.5, 12, 11.5)),
            self._both("lens", (-41, -71, apart), (4, 2, 4)),
        )
        roof = _grown(brain, self.gap + self.orbit_roof)[0]
        return tuple(dataclasses.replace(part, depth=_without(part.depth, roof)) for part in parts)


def _ellipsoid(centre: npt.NDArray[np.float64], half: npt.NDArray[np.float64]) -> Depth:
    def depth(points: Points) -> Values:
        scaled = [
            (axis - np.float32(middle)) / np.float32(length)
            for axis, middle, length in zip(points, centre, half, strict=True)
        ]
        radius = np.sqrt(sum(each * each for each in scaled))
        slope = np.sqrt(
            sum((each / np.float32(length)) ** 2 for each, length in zip(scaled, half, strict=True))
        )
        # To first order the distance to the surface; exact for a ball.
        value: Values = radius * (1 - radius) / np.maximum(slope, np.float32(1e-6))
        return value

    return depth


def _capsule(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], radius: float) -> Depth:
    along = end - start
    length = float(along @ along)

    def depth(points: Points) -> Values:
        offsets = [axis - np.float32(origin) for axis, origin in zip(points, start, strict=True)]
        place = np.clip(
            sum(
                offset * np.float32(step / length)
                for offset, step in zip(offsets, along, strict=True)
            ),
            0,
            1,
        )
        squares = sum(
            (offset - place * np.float32(step)) ** 2
            for offset, step in zip(offsets, along, strict=True)
        )
        value: Values = np.float32(radius) - np.sqrt(squares)
        return value

    return depth


def _union(*depths: Depth, blend_mm: float = _BLEND_MM) -> Depth:
    """Join solids; where their surfaces meet, flesh fills the notch."""

    def depth(points: Points) -> Values:
        value = depths[0](points)
        for shape in depths[1:]:
            other = shape(points)
            near = np.maximum(np.float32(blend_mm) - np.abs(value - other), 0)
            value = np.maximum(value, other) + near * near / np.float32(4 * blend_mm)
        return value

    return depth


def _without(depth: Depth, other: Depth) -> Depth:
    def left(points: Points) -> Values:
        value: Values = np.minimum(depth(points), -other(points))
        return value

    return left


def _grown(part: Part, by_mm: float) -> tuple[Depth, Vector, Vector]:
    def depth(points: Points) -> Values:
        return part.depth(points) + np.float32(by_mm)

    low, high = np.asarray(part.low) - by_mm, np.asarray(part.high) + by_mm
    return depth, _corner(low), _corner(high)


def _corner(values: npt.NDArray[np.float64]) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))
