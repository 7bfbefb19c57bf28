"""What a reader says of a series beside masks: classes, grades, numbers and places."""

import dataclasses
import hashlib
import json
import math
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sightline.errors import BadFile
from sightline.values.arrays import Mask
from sightline.values.geometry import Geometry

Millimetres: TypeAlias = tuple[float, float, float]
StatementKind: TypeAlias = Literal["presence", "numbers", "places"]

_HIGHEST_NUMBER = 255


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One thing that was found, or is there.

    Attributes:
        centre_mm: (x, y, z) in LPS.
        size_mm: its extent along x, y and z; 0, 0, 0 for a point.
        score: how sure who found it is, 0 to 1; a reader is.
    """

    class_name: str
    centre_mm: Millimetres
    size_mm: Millimetres = (0.0, 0.0, 0.0)
    score: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What one reader says of one series under one name.

    Attributes:
        target: what it is about, such as `chest_reading`; a recipe asks for it by this name.
        author: a reader's name or pseudonym.
        kind: which of the rest it holds.
        classes: what was looked for; the levels of a grade, lowest first; the names of numbers.
        present: those of `classes` that are there; of a grade the one that holds.
        numbers: one a class.
        units: UCUM, one a class.
        places: of `classes`; none where nothing was found.
    """

    target: str
    author: str
    kind: StatementKind
    classes: tuple[str, ...]
    present: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with format and version; without the author, who stands beside it."""
        content = dataclasses.asdict(self)
        del content["author"]
        return {"format": "sightline-statement", "version": 1, **content}

    @classmethod
    def from_json(cls, content: dict[str, Any], *, author: str) -> Self:
        """Read what `to_json` made.

        Raises:
            BadFile: It is no statement of a known version, or it contradicts itself.
        """
        fields = {k: v for k, v in content.items() if k not in {"format", "version"}}
        if (content.get("format"), content.get("version")) != ("sightline-statement", 1):
            raise BadFile(
                "no statement of a known version",
                hint="It was made by a later Sightline; upgrade this one.",
            )
        try:
            made = TypeAdapter(cls).validate_python(fields | {"author": author})
        except ValidationError as error:
            first = error.errors()[0]
            raise BadFile(
                f"a statement does not validate: {first['loc']}: {first['msg']}", hint=_HINT
            ) from error
        made.check()
        return made

    @property
    def digest(self) -> str:
        """SHA-256 of what is said, whoever says it."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def check(self) -> None:
        """Do nothing where it is consistent.

        Raises:
            BadFile: It names something that is not among its classes, or lacks a number.
        """
        named = {*self.present, *(place.class_name for place in self.places)}
        unknown = sorted(named - set(self.classes))
        if unknown:
            raise BadFile(
                f"{', '.join(unknown)} is not among the classes of {self.target!r}: "
                f"{', '.join(self.classes) or 'none'}",
                hint=_HINT,
            )
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise BadFile(f"{self.target!r} needs classes, each once", hint=_HINT)
        if self.kind == "numbers" and not (
            len(self.numbers) == len(self.units) == len(self.classes)
            and all(map(math.isfinite, self.numbers))
        ):
            raise BadFile(f"{self.target!r} needs one number and unit a name", hint=_HINT)


def draw_places(places: tuple[Place, ...], geometry: Geometry, classes: tuple[str, ...]) -> Mask:
    """Draw each place as an ellipsoid with a number of its own, so that it can be cut as a mask is.

    The class of number k is `classes[(k - 1) % len(classes)]`. A point is one voxel.

    Raises:
        BadFile: There are more places of a class than there are numbers.
    """
    mask = np.zeros(geometry.shape, dtype=np.uint8)
    drawn = dict.fromkeys(classes, 0)
    for place in places:
        number = drawn[place.class_name] * len(classes) + classes.index(place.class_name) + 1
        drawn[place.class_name] += 1
        if number > _HIGHEST_NUMBER:
            raise BadFile(
                f"no number is left for place {drawn[place.class_name]} of {place.class_name}",
                hint="Name fewer places a series, or fewer classes a target.",
            )
        _draw(mask, place, geometry, number=number)
    return mask


def _draw(mask: Mask, place: Place, geometry: Geometry, *, number: int) -> None:
    inverse = np.linalg.inv(geometry.matrix)
    middle = (inverse @ np.array([*place.centre_mm, 1.0]))[:3]
    nearest = np.rint(middle).astype(int).clip(0, np.array(geometry.shape) - 1)
    half = np.maximum(np.array(place.size_mm) / 2, 1e-6)
    reach = np.abs(inverse[:3, :3]) @ half
    first = np.floor(middle - reach).astype(int).clip(0, nearest)
    last = np.ceil(middle + reach).astype(int).clip(nearest, np.array(geometry.shape) - 1)
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    grid = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), -1)
    away = (grid - middle) @ geometry.matrix[:3, :3].T
    mask[box][((away / half) ** 2).sum(axis=-1) <= 1] = number
    mask[tuple(nearest)] = number


_HINT = "See `sightline annotate --help` and docs/how-to/annotate-with-values.md."
