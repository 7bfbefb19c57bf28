"""What readers say: consistent, kept as JSON, and places drawn so that each can be told apart."""

import dataclasses

import numpy as np
import pytest

from sightline.errors import BadFile
from sightline.values.geometry import Geometry
from sightline.values.statement import Place, Statement, draw_places

SAID = Statement(
    target="reading", author="R-1", kind="presence", classes=("one", "two"), present=("two",)
)
OBLIQUE = np.array([[0, 0.6, 0.8, 5], [0, -0.8, 0.6, 7], [2.0, 0, 0, -3], [0, 0, 0, 1]])


def test_json_keeps_all_but_the_author() -> None:
    content = SAID.to_json()
    assert "author" not in content
    assert Statement.from_json(content, author="R-1") == SAID
    assert Statement.from_json(content, author="R-2").digest == SAID.digest


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"present": ("three",)}, "three is not among"),
        ({"classes": ()}, "two is not among"),
        ({"classes": ("two", "two")}, "each once"),
        ({"kind": "numbers"}, "one number and unit"),
        ({"kind": "numbers", "numbers": (1.0, float("inf")), "units": ("1", "1")}, "one number"),
        ({"places": (Place(class_name="x", centre_mm=(0, 0, 0)),)}, "x is not among"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(BadFile, match=problem) as caught:
        dataclasses.replace(SAID, **change).check()
    assert caught.value.hint


def test_other_versions_are_refused() -> None:
    with pytest.raises(BadFile, match="known version"):
        Statement.from_json(SAID.to_json() | {"version": 2}, author="")
    with pytest.raises(BadFile, match="does not validate"):
        Statement.from_json(SAID.to_json() | {"kind": "rumour"}, author="")


def test_every_place_has_a_number_that_tells_its_class() -> None:
    geometry = Geometry.from_affine((6, 20, 20), OBLIQUE)
    centres = [(OBLIQUE @ [2, 5, 5 + 4 * k, 1])[:3] for k in range(3)]
    names = ("two", "one", "two")
    places = tuple(
        Place(class_name=name, centre_mm=tuple(centre), size_mm=(3.0, 3.0, 3.0))
        for name, centre in zip(names, centres, strict=True)
    )
    mask = draw_places(places, geometry, ("one", "two"))
    assert [int(mask[2, 5, 5 + 4 * k]) for k in range(3)] == [2, 1, 4]
    inside = np.argwhere(mask == 4) - [2, 5, 13]
    away = inside @ OBLIQUE[:3, :3].T
    assert np.linalg.norm(away, axis=1).max() <= 1.5
    assert len(inside) == 9  # 1.5 mm around, of voxels of 2 x 1 x 1 mm: its plane alone


def test_a_point_is_one_voxel_and_stays_in_the_image() -> None:
    geometry = Geometry.from_affine((4, 4, 4), np.eye(4)[[2, 1, 0, 3]])
    far = Place(class_name="one", centre_mm=(1.2, 9.0, -5.0))
    assert np.argwhere(draw_places((far,), geometry, ("one",))).tolist() == [[0, 3, 1]]


def test_more_places_than_numbers_are_refused() -> None:
    geometry = Geometry.from_affine((4, 4, 4), np.eye(4))
    place = Place(class_name="one", centre_mm=(1, 1, 1))
    with pytest.raises(BadFile, match="no number is left for place 129 of one"):
        draw_places((place,) * 129, geometry, ("one", "two"))
