"""Splitting the frames of a series into sound stacks, each named by what sets it apart."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.errors import UnsoundSeries
from sightline.formats.dicom_frame import FACTS, Fact, Frame
from sightline.formats.dicom_grid import (
    DIRECTION_TOLERANCE,
    GAP_TOLERANCE_SHARE,
    arrange,
    is_place_shared,
    reason_of,
    unsound,
)
from sightline.values.geometry import Geometry

_Codes: TypeAlias = npt.NDArray[np.int64]
"""(frames,): which group each frame is of."""

# Three things that vary at once, such as echo, phase and component, are the most that was met.
_MOST_FACTS = 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Frames that make one regular grid.

    Attributes:
        name: what sets it apart from the other stacks of its series; empty where it is alone.
        order: indices of its frames, first slice first.
    """

    name: str
    order: tuple[int, ...]
    geometry: Geometry


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Frames of a series that make no regular grid.

    Attributes:
        name: as of a stack.
        reason: why, and where.
        hint: what to do about it.
    """

    name: str
    reason: str
    hint: str

    @property
    def text(self) -> str:
        """Name and reason in one line."""
        return f"{self.name}: {self.reason}" if self.name else self.reason


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stacks:
    """What the frames of a series make; together all of them, each once."""

    sound: tuple[Stack, ...]
    refused: tuple[Refusal, ...]


_Parts: TypeAlias = list[tuple[str, list[int]]]


def split(frames: Sequence[Frame]) -> Stacks:
    """Split frames into as few sound stacks as what they say of themselves allows.

    Frames that differ in size, pixel type, direction or pixel spacing never share a stack. Frames
    at one place are told apart by the first facts of `FACTS` that leave each place taken once a
    stack, then by the order in which they were counted. What no fact tells apart is refused.

    Raises:
        UnsoundSeries: No stack is sound; the problem says why.
    """
    sound: list[Stack] = []
    refused: list[Refusal] = []
    for name, indices in _alike(frames):
        found = _split_alike(frames, indices)
        sound += [dataclasses.replace(each, name=_joined(name, each.name)) for each in found.sound]
        refused += [
            dataclasses.replace(each, name=_joined(name, each.name)) for each in found.refused
        ]
    if not sound:
        more = f" (and {len(refused) - 1} more stacks)" if len(refused) > 1 else ""
        raise unsound(f"{refused[0].text}{more}", refused[0].hint)
    return Stacks(sound=tuple(sound), refused=tuple(refused))


def _alike(frames: Sequence[Frame]) -> _Parts:
    """Group frames that may share a grid, in the order in which they come."""
    parts: _Parts = [("", list(range(len(frames))))]
    for what, measure, tolerance, name in _LIKENESSES:
        divided: _Parts = []
        for own, indices in parts:
            values = np.array([measure(frames[index]) for index in indices], dtype=np.float64)
            groups = [[indices[i] for i in group] for group in _clusters(values, tolerance)]
            names = [name(frames[group[0]]) for group in groups]
            for label, group in zip(_distinct(names), groups, strict=True):
                divided.append((_joined(own, label) if len(groups) > 1 else own, group))
        if len(divided) > len(parts) and all(len(group) == 1 for _, group in divided):
            first, other = (frames[group[0]].plane.label for _, group in divided[:2])
            raise unsound(
                f"its images differ in {what}, each from the others (such as {first} and {other})",
                "A localizer is no volume; give the series that it was made for.",
            )
        parts = divided
    return parts


def _clusters(values: npt.NDArray[np.float64], tolerance: float) -> list[list[int]]:
    groups, left = [], np.arange(len(values))
    while len(left):
        is_near = np.abs(values[left] - values[left[0]]).max(axis=1) <= tolerance
        groups.append(left[is_near].tolist())
        left = left[~is_near]
    return groups


def _plane_name(frame: Frame) -> str:
    axis = int(np.abs(frame.plane.normal).argmax())
    return ("sagittal", "coronal", "axial")[axis]


def _spacing_name(frame: Frame) -> str:
    return " x ".join(f"{length:g}" for length in frame.plane.spacing_mm) + " mm"


_LIKENESSES: tuple[
    tuple[str, Callable[[Frame], tuple[float, ...]], float, Callable[[Frame], str]], ...
] = (
    (
        "size",
        lambda frame: (frame.plane.rows, frame.plane.columns),
        0.0,
        lambda frame: f"{frame.plane.rows} x {frame.plane.columns} pixels",
    ),
    (
        "pixel type",
        lambda frame: (np.dtype(frame.pixel_type).num,),
        0.0,
        lambda frame: frame.pixel_type,
    ),
    (
        "orientation",
        lambda frame: (*frame.plane.along_row, *frame.plane.along_column),
        DIRECTION_TOLERANCE,
        _plane_name,
    ),
    (
        "pixel spacing",
        lambda frame: tuple(float(np.log(max(mm, 1e-9))) for mm in frame.plane.spacing_mm),
        GAP_TOLERANCE_SHARE,
        _spacing_name,
    ),
)


def _split_alike(frames: Sequence[Frame], indices: list[int]) -> Stacks:
    whole = _arranged(frames, [("", indices)])
    if whole.sound:
        return whole
    partly = whole
    for parts, must_be_whole in _partings(frames, indices):
        made = _arranged(frames, parts)
        if not made.refused:
            return made
        if made.sound and not partly.sound and not must_be_whole:
            partly = made
    return partly


def _arranged(frames: Sequence[Frame], parts: _Parts) -> Stacks:
    sound, refused = [], []
    for name, indices in parts:
        try:
            order, geometry = arrange([frames[index].plane for index in indices])
        except UnsoundSeries as error:
            refused.append(Refusal(name=name, reason=reason_of(error), hint=error.hint))
        else:
            ordered = tuple(indices[index] for index in order)
            sound.append(Stack(name=name, order=ordered, geometry=geometry))
    return Stacks(sound=tuple(sound), refused=tuple(refused))


def _partings(frames: Sequence[Frame], indices: list[int]) -> Iterator[tuple[_Parts, bool]]:
    """Yield ways to split frames, and whether one is only taken where all its stacks are sound."""
    chosen = [frames[index] for index in indices]
    distances = np.array([frame.plane.position for frame in chosen]) @ chosen[0].plane.normal
    places = _places(distances)
    shared = int(np.bincount(places).max())
    coded = [(fact, _codes(fact, chosen)) for fact in FACTS]
    varying = [(fact, codes) for fact, codes in coded if codes.max() > 0]
    if shared > 1:
        # A fact that takes more values than a place has frames splits volumes themselves.
        telling = [(fact, codes) for fact, codes in varying if codes.max() < shared]
        for facts, codes in _combined(telling):
            if codes.max() + 1 == shared and _are_taken_once(places, codes):
                yield _named(chosen, indices, (facts, codes)), False
        repeats = _repeats(chosen, places, shared)
        if repeats is not None:
            yield _counted(indices, repeats), True
    marks = [(fact, codes) for fact, codes in varying if fact.marks_blocks]
    for facts, codes in _combined(marks):
        is_plain = np.bincount(codes).min() > 1 and _are_taken_once(places, codes)
        if is_plain and (shared > 1 or _lie_apart(distances, codes)):
            yield _named(chosen, indices, (facts, codes)), True


def _places(distances: npt.NDArray[np.float64]) -> _Codes:
    """Number the places along the normal."""
    order = np.argsort(distances, kind="stable")
    gaps = np.diff(distances[order])
    places = np.empty(len(distances), dtype=np.int64)
    places[order] = np.concatenate([[0], np.cumsum(~is_place_shared(gaps))])
    return places


def _codes(fact: Fact, frames: Sequence[Frame]) -> _Codes:
    values = [frame.facts.get(fact.name, "") for frame in frames]
    rank = {value: number for number, value in enumerate(sorted(set(values), key=_sort_key))}
    return np.array([rank[value] for value in values], dtype=np.int64)


def _sort_key(value: str) -> tuple[tuple[float, str], ...]:
    return tuple(_number_first(part) for part in value.split("\\"))


def _number_first(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


def _combined(
    varying: Sequence[tuple[Fact, _Codes]],
) -> Iterator[tuple[tuple[Fact, ...], _Codes]]:
    for count in range(1, _MOST_FACTS + 1):
        for chosen in itertools.combinations(varying, count):
            joint = np.zeros(len(chosen[0][1]), dtype=np.int64)
            for _, codes in chosen:
                joint = joint * (codes.max() + 1) + codes
            _, groups = np.unique(joint, return_inverse=True)
            yield tuple(fact for fact, _ in chosen), groups


def _are_taken_once(places: _Codes, codes: _Codes) -> bool:
    return len(np.unique(codes * (places.max() + 1) + places)) == len(places)


def _lie_apart(distances: npt.NDArray[np.float64], codes: _Codes) -> bool:
    """Tell whether each group lies in a stretch of its own along the normal."""
    along = codes[np.argsort(distances, kind="stable")]
    return int((np.diff(along) != 0).sum()) == int(codes.max())


def _repeats(frames: Sequence[Frame], places: _Codes, shared: int) -> _Codes | None:
    """Tell repeats apart by their numbers: volume after volume, or all of a slice together."""
    numbers = [frame.number for frame in frames]
    count = int(places.max()) + 1
    if None in numbers or len(set(numbers)) < len(frames) or len(frames) != count * shared:
        return None
    order = np.array(sorted(range(len(frames)), key=lambda index: numbers[index] or (0, 0)))
    counted = places[order]
    volumes = np.sort(counted.reshape(shared, count), axis=1)
    codes = np.empty(len(frames), dtype=np.int64)
    if (volumes == np.arange(count)).all():
        codes[order] = np.repeat(np.arange(shared), count)
    elif (counted.reshape(count, shared) == counted[::shared, None]).all():
        codes[order] = np.tile(np.arange(shared), count)
    else:
        return None
    return codes


def _counted(indices: list[int], codes: _Codes) -> _Parts:
    total = int(codes.max()) + 1
    return [
        (f"repeat {number + 1} of {total}", [indices[i] for i in np.flatnonzero(codes == number)])
        for number in range(total)
    ]


def _named(
    frames: Sequence[Frame], indices: list[int], parting: tuple[tuple[Fact, ...], _Codes]
) -> _Parts:
    facts, codes = parting
    members = [np.flatnonzero(codes == number).tolist() for number in range(int(codes.max()) + 1)]
    labels = [
        _fact_labels(fact, [frames[group[0]].facts.get(fact.name, "") for group in members])
        for fact in facts
    ]
    names = [", ".join(parts) for parts in zip(*labels, strict=True)]
    return [(name, [indices[i] for i in group]) for name, group in zip(names, members, strict=True)]


def _fact_labels(fact: Fact, values: Sequence[str]) -> list[str]:
    """Say the values of a fact shortly: the rank, or the components that differ."""
    if fact.is_ordinal:
        ranked = sorted(set(values), key=_sort_key)
        return [f"{fact.name} {ranked.index(value) + 1} of {len(ranked)}" for value in values]
    parts = list(itertools.zip_longest(*(value.split("\\") for value in values), fillvalue=""))
    differing = [column for column in parts if len(set(column)) > 1]
    if not differing:
        return [f"{fact.name} {value}" for value in values]
    return [
        f"{fact.name} " + "\\".join(column[place] or "none" for column in differing)
        for place in range(len(values))
    ]


def _distinct(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once."""
    counts, seen = Counter(names), Counter[str]()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(f"{name} {seen[name]}" if counts[name] > 1 else name)
    return distinct


def _joined(*names: str) -> str:
    return ", ".join(name for name in names if name)
