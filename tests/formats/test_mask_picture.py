import io

import numpy as np
import pytest
from PIL import Image

from sightline.errors import BadFile
from sightline.formats.mask_picture import is_picture, read_picture_mask
from sightline.values.geometry import Geometry

ON_IMAGE = Geometry.from_affine((1, 24, 32), np.eye(4))


def picture(values: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(file, kind)
    return file.getvalue()


def painted() -> np.ndarray:
    values = np.zeros((24, 32))
    values[4:12, 8:20] = 1
    return values


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "JPEG"])
@pytest.mark.parametrize("white", [1, 255])
def test_what_is_bright_is_the_class(kind: str, white: int) -> None:
    if kind == "JPEG" and white == 1:
        white = 200
    content = picture(painted() * white, kind)
    assert is_picture(content)
    found = read_picture_mask(content, ON_IMAGE, classes=("lung",), author="R1")
    assert np.array_equal(found.mask[0], painted())
    assert (found.classes, found.author, found.geometry) == (("lung",), "R1", ON_IMAGE)


def test_values_are_the_classes_where_there_are_several() -> None:
    values = painted()
    values[20:, 20:] = 2
    found = read_picture_mask(picture(values), ON_IMAGE, classes=("lung", "heart"), author="R1")
    assert np.array_equal(found.mask[0], values)
    palette = Image.fromarray(values.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    file = io.BytesIO()
    palette.save(file, "PNG")
    again = read_picture_mask(file.getvalue(), ON_IMAGE, classes=("lung", "heart"), author="R1")
    assert np.array_equal(again.mask, found.mask)


def test_a_black_picture_is_an_empty_mask() -> None:
    found = read_picture_mask(picture(painted() * 0), ON_IMAGE, classes=("lung",), author="R1")
    assert not found.mask.any()


@pytest.mark.parametrize(
    ("content", "classes", "says"),
    [
        (picture(np.zeros((24, 31))), ("lung",), "24 x 31 pixels for a series of 1 x 24 x 32"),
        (picture(painted() * 3), ("lung", "heart"), "values up to 3 for 2 classes"),
        (picture(painted(), "JPEG"), ("lung", "heart"), "cannot hold the numbers of classes"),
        (picture(painted() * 2), ("lung",), "values up to 2 for 1 classes"),
        (picture(painted())[:60], ("lung",), "no picture that can be read"),
    ],
)
def test_what_cannot_be_a_mask_is_refused(
    content: bytes, classes: tuple[str, ...], says: str
) -> None:
    with pytest.raises(BadFile, match=says):
        read_picture_mask(content, ON_IMAGE, classes=classes, author="R1")


def test_other_files_are_no_pictures() -> None:
    assert not is_picture(b"")
    assert not is_picture(bytes(128) + b"DICM")
