"""Frames to stacks: what is sound is named, what is not is refused, nothing is stacked silently."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import UnsoundSeries
from sightline.formats.dicom_frame import FACTS, Frame, Rescale, place_of
from sightline.formats.dicom_grid import Plane
from sightline.formats.dicom_stacks import split

AXIAL = Plane(
    position=(-10.0, -20.0, 30.0),
    along_row=(1.0, 0.0, 0.0),
    along_column=(0.0, 1.0, 0.0),
    spacing_mm=(2.0, 1.0),
    thickness_mm=3.0,
    rows=4,
    columns=6,
)
Change = Callable[[int], dict[str, object]]


def frames_of(count: int, change: Change = lambda _: {}) -> list[Frame]:
    """Make axial slices 3 mm apart; `change` says what one of them has instead."""
    frames = []
    for number in range(count):
        own = {"position": (-10.0, -20.0, 30.0 + 3.0 * number), "label": f"image {number + 1}"}
        changed = own | change(number)
        facts = changed.pop("facts", {})
        pixel_type = changed.pop("pixel_type", "int16")
        frames.append(
            Frame(
                plane=dataclasses.replace(AXIAL, **changed),
                rescale=Rescale(),
                facts=facts,
                pixel_type=pixel_type,
                number=(number + 1, 1),
            )
        )
    return frames


def one(number: int, **attributes: object) -> Change:
    return lambda index: attributes if index == number else {}


def at(place: float, **attributes: object) -> dict[str, object]:
    return {"position": (-10.0, -20.0, place), **attributes}


def tilted(number: int) -> dict[str, object]:
    return {"position": (-10.0, -20.0 + number, 30.0 + 3.0 * number)}


# Hostile geometry: what a series of six slices becomes, stack by stack, or why it becomes nothing.
HOSTILE: dict[str, tuple[Change, dict[str, list[int]] | str]] = {
    "sound": (lambda _: {}, {"": [0, 1, 2, 3, 4, 5]}),
    "reversed": (lambda n: at(-3.0 * n), {"": [5, 4, 3, 2, 1, 0]}),
    "gantry tilt": (tilted, "gantry tilt: its planes lean 18.4 degrees"),
    "one missing": (
        lambda n: at(3.0 * (n + (n > 3))),
        "1 slice is missing, first between image 4 and image 5 .spacing 3 mm.",
    ),
    "three missing": (
        lambda n: at(3.0 * (n + (n > 1) + 2 * (n > 3))),
        "3 slices are missing, first between image 2 and image 3",
    ),
    "variable spacing": (
        lambda n: at(1.0 * n * n),
        "unequal slice spacing, from 1 to 9 mm; it is 1 mm between image 1 and image 2",
    ),
    "a step off the line": (
        one(2, position=(-9.0, -20.0, 36.0)),
        "do not lie on one line .image 3 is 1 mm beside it",
    ),
    "mixed size": (
        lambda n: {"rows": 8} if n > 3 else {},
        {"4 x 6 pixels": [0, 1, 2, 3], "8 x 6 pixels": [4, 5]},
    ),
    "mixed pixel type": (
        lambda n: {"pixel_type": "uint16"} if n > 3 else {},
        {"int16": [0, 1, 2, 3], "uint16": [4, 5]},
    ),
    "mixed pixel spacing": (
        lambda n: {"spacing_mm": (1.0, 1.0)} if n > 3 else {},
        {"2 x 1 mm": [0, 1, 2, 3], "1 x 1 mm": [4, 5]},
    ),
    "mixed orientation": (
        lambda n: (
            {"along_column": (0.0, 0.0, -1.0), "position": (0.0, 2.0 * n, 0.0)} if n > 2 else {}
        ),
        {"axial": [0, 1, 2], "coronal": [3, 4, 5]},
    ),
    "every image turned": (
        lambda n: {
            "along_row": (math.cos(n / 4), math.sin(n / 4), 0.0),
            "along_column": (-math.sin(n / 4), math.cos(n / 4), 0.0),
        },
        "differ in orientation, each from the others .such as image 1 and image 2.",
    ),
    "a duplicate": (
        one(5, position=(-10.0, -20.0, 36.0)),
        "1 of 6 images share a place with another, first between image 3 and image 6",
    ),
    "no unit vectors": (
        lambda _: {"along_row": (2.0, 0.0, 0.0)},
        "no pair of perpendicular unit vectors",
    ),
    "not perpendicular": (
        lambda _: {"along_column": (1.0, 0.0, 0.0)},
        "no pair of perpendicular unit vectors",
    ),
    "no pixel spacing": (lambda _: {"spacing_mm": (0.0, 0.0)}, "not positive"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_geometry_ends_as_the_table_says(name: str) -> None:
    change, expected = HOSTILE[name]
    frames = frames_of(6, change)
    if isinstance(expected, str):
        with pytest.raises(UnsoundSeries, match=expected) as caught:
            split(frames)
        assert caught.value.hint
        return
    stacks = split(frames)
    assert {stack.name: list(stack.order) for stack in stacks.sound} == expected
    assert stacks.refused == ()


@pytest.mark.parametrize(("thickness_mm", "spacing_mm"), [(3.0, 3.0), (None, None), (0.0, None)])
def test_one_slice(thickness_mm: float | None, spacing_mm: float | None) -> None:
    frames = frames_of(1, lambda _: {"thickness_mm": thickness_mm})
    if spacing_mm is None:
        with pytest.raises(UnsoundSeries, match=r"one slice of unknown thickness \(image 1\)"):
            split(frames)
    else:
        assert split(frames).sound[0].geometry.spacing_mm[0] == spacing_mm


@pytest.mark.parametrize(
    ("place", "missing"),
    [
        (((math.nan, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0), (1.0, 1.0), ()), "no position"),
        (((), (1.0, 0, 0, 0, 1, 0), (1.0, 1.0), ()), "no position"),
        (((0.0, 0.0, 0.0), (), (1.0, 1.0), ()), "no orientation"),
        (((0.0, 0.0, 0.0), (), (), ()), "no orientation and no pixel spacing"),
        (((0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, math.inf), (1.0, 1.0), ()), "no orientation"),
    ],
)
def test_a_frame_without_a_place_is_refused(
    place: tuple[tuple[float, ...], ...], missing: str
) -> None:
    with pytest.raises(UnsoundSeries, match=f"image 3 does not say where it lies: {missing}\n"):
        place_of("image 3", place, (4, 6))


def timed(**facts: Callable[[int, int], str]) -> Change:
    """Three slices at each point, one point after another; facts follow from point and slice."""

    def change(number: int) -> dict[str, object]:
        point, slice_ = divmod(number, 3)
        said = {name.replace("_", " "): value(point, slice_) for name, value in facts.items()}
        return at(3.0 * slice_, facts=said)

    return change


# Frames that share their places: what tells them apart, and the names that it gives the stacks.
SHARED: dict[str, tuple[Change, list[str]]] = {
    "echoes": (
        timed(echo_time=lambda t, _: str(2.5 * (t + 1)), echo=lambda t, _: str(t + 1)),
        ["echo time 2.5", "echo time 5.0"],
    ),
    "magnitude and phase": (
        timed(image_type=lambda t, _: "ORIGINAL\\PRIMARY\\" + "MP"[t]),
        ["image type M", "image type P"],
    ),
    "echoes of magnitude and phase": (
        timed(
            echo_time=lambda t, _: str(2.5 * (t // 2 + 1)),
            image_type=lambda t, _: "ORIGINAL\\PRIMARY\\" + "MP"[t % 2],
        ),
        [
            "echo time 2.5, image type M",
            "echo time 2.5, image type P",
            "echo time 5.0, image type M",
            "echo time 5.0, image type P",
        ],
    ),
    "b-values": (
        timed(**{"b-value": lambda t, _: str((1000, 0, 50)[t])}),
        ["b-value 0", "b-value 50", "b-value 1000"],
    ),
    "directions of one b-value": (
        timed(
            **{
                "b-value": lambda t, _: "0" if t == 0 else "1000",
                "gradient direction": lambda t, _: ("", "1\\0\\0", "0\\1\\0")[t],
            },
        ),
        [
            "gradient direction 1 of 3",
            "gradient direction 2 of 3",
            "gradient direction 3 of 3",
        ],
    ),
    "time points": (
        timed(time_point=lambda t, _: str(t + 1)),
        ["time point 1", "time point 2", "time point 3"],
    ),
    "phases of the heart": (
        timed(trigger_time=lambda t, _: str(40 * t)),
        ["trigger time 0", "trigger time 40", "trigger time 80"],
    ),
    # The clock of each slice differs, which tells nothing; the acquisition does.
    "acquisitions": (
        timed(acquisition=lambda t, _: str(t + 1), content_time=lambda t, s: f"1000{t}{s}"),
        ["acquisition 1", "acquisition 2"],
    ),
    # A clock names its ranks only: a time of day may point to a patient.
    "clocks": (
        timed(acquisition_time=lambda t, _: f"10150{t}"),
        ["acquisition time 1 of 2", "acquisition time 2 of 2"],
    ),
    "nothing but their order": (timed(), ["repeat 1 of 2", "repeat 2 of 2"]),
}


@pytest.mark.parametrize("name", sorted(SHARED))
def test_frames_at_one_place_are_told_apart(name: str) -> None:
    change, names = SHARED[name]
    stacks = split(frames_of(3 * len(names), change))
    assert [stack.name for stack in stacks.sound] == names
    assert stacks.refused == ()
    assert all(len(stack.order) == 3 for stack in stacks.sound)
    if name not in {"b-values", "directions of one b-value"}:
        assert [stack.order for stack in stacks.sound] == [
            (3 * point, 3 * point + 1, 3 * point + 2) for point in range(len(names))
        ]


def test_repeats_counted_slice_by_slice_are_told_apart_too() -> None:
    stacks = split(frames_of(6, lambda n: at(3.0 * (n // 2))))
    assert {stack.name: stack.order for stack in stacks.sound} == {
        "repeat 1 of 2": (0, 2, 4),
        "repeat 2 of 2": (1, 3, 5),
    }


@pytest.mark.parametrize("places", [(0, 0, 3, 6, 3, 6), (0, 3, 6, 0, 6), (0, 3, 3, 6, 6, 0)])
def test_an_order_that_is_no_order_is_no_guess(places: tuple[int, ...]) -> None:
    with pytest.raises(UnsoundSeries, match="share a place"):
        split(frames_of(len(places), lambda n: at(float(places[n]))))


def test_frames_without_numbers_are_not_counted() -> None:
    frames = [dataclasses.replace(frame, number=None) for frame in frames_of(6, timed())]
    with pytest.raises(UnsoundSeries, match="share a place"):
        split(frames)


def test_a_time_point_with_a_gap_is_refused_and_the_others_kept() -> None:
    def change(number: int) -> dict[str, object]:
        point, slice_ = divmod(number, 4)
        place = 3.0 * (slice_ + (point == 1 and slice_ > 1))
        return at(place, facts={"time point": str(point + 1)})

    stacks = split(frames_of(12, change))
    assert [stack.name for stack in stacks.sound] == ["time point 1", "time point 3"]
    assert [(each.name, each.reason[:20]) for each in stacks.refused] == [
        ("time point 2", "1 slice is missing, ")
    ]
    assert stacks.refused[0].text.startswith("time point 2: 1 slice is missing")


def test_blocks_with_a_gap_between_them_are_stacks_of_their_own() -> None:
    def change(number: int) -> dict[str, object]:
        block, slice_ = divmod(number, 3)
        place = 50.0 * block + (3.0, 5.0)[block] * slice_
        return at(place, facts={"acquisition": str(block + 1)})

    stacks = split(frames_of(6, change))
    assert {stack.name: stack.geometry.spacing_mm[0] for stack in stacks.sound} == {
        "acquisition 1": 3.0,
        "acquisition 2": 5.0,
    }


def test_interleaved_acquisitions_with_a_missing_slice_are_no_blocks() -> None:
    places = [0, 2, 3, 4, 5, 6, 7, 8]
    frames = frames_of(8, lambda n: at(3.0 * places[n], facts={"acquisition": str(places[n] % 3)}))
    with pytest.raises(UnsoundSeries, match="1 slice is missing"):
        split(frames)


def test_a_localizer_of_three_planes_with_several_slices_each() -> None:
    ways = (
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0, 0, 1)),
        ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0, 1, 0)),
        ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1, 0, 0)),
    )

    def change(number: int) -> dict[str, object]:
        row, column, along = ways[number % 3]
        position = tuple(10.0 * (number // 3) * part for part in along)
        return {"along_row": row, "along_column": column, "position": position}

    stacks = split(frames_of(9, change))
    assert [(stack.name, len(stack.order)) for stack in stacks.sound] == [
        ("axial", 3),
        ("coronal", 3),
        ("sagittal", 3),
    ]


@settings(max_examples=60, deadline=None)
@given(
    slices=st.integers(2, 6),
    points=st.integers(1, 4),
    fact=st.sampled_from([fact.name for fact in FACTS]),
    data=st.data(),
)
def test_any_order_of_files_gives_the_same_stacks(
    slices: int, points: int, fact: str, data: st.DataObject
) -> None:
    def change(number: int) -> dict[str, object]:
        point, slice_ = divmod(number, slices)
        return at(1.25 * slice_, facts={fact: str(point)})

    frames = frames_of(slices * points, change)
    shuffle = data.draw(st.permutations(range(len(frames))))
    straight = split(frames)
    shuffled = split([frames[index] for index in shuffle])
    assert len(straight.sound) == points
    assert [stack.name for stack in straight.sound] == [stack.name for stack in shuffled.sound]
    for one_, other in zip(straight.sound, shuffled.sound, strict=True):
        assert list(one_.order) == [shuffle[index] for index in other.order]
        assert one_.geometry == other.geometry


def test_thousands_of_frames_are_split_in_seconds() -> None:
    """A long time series whose every clock differs: many facts vary, one of them tells."""
    frames = frames_of(
        9000,
        lambda n: at(
            3.0 * (n % 30),
            facts={
                "time point": str(n // 30),
                "content time": f"{n:06}",
                "acquisition time": f"{n // 3:06}",
            },
        ),
    )
    stacks = split(frames)
    assert len(stacks.sound) == 300
    assert np.array([stack.order for stack in stacks.sound]).ravel().tolist() == list(range(9000))
