"""A mask painted as a picture of a single image, as masks of X-rays come: PNG, JPEG, BMP or TIFF.

A picture says nothing of where it lies; it lies on an image of as many rows and columns.
"""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from sightline.errors import BadFile
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
_LOSSY = "JPEG"
# What is painted to be seen is far brighter than the number of a class.
_WHITE = 128


def is_picture(content: bytes) -> bool:
    """Tell whether bytes begin as a picture does."""
    return content.startswith(_SIGNATURES)


def read_picture_mask(
    content: bytes, geometry: Geometry, *, classes: tuple[str, ...], author: str
) -> Segmentation:
    """Read a picture as the mask of a single image.

    Of one class, value 1 is the class, or what is brighter than half where it is painted white;
    of several, value k is the k-th.

    Args:
        content: the picture; colours are read as grey.
        geometry: of the image it was painted on.
        classes: what the values mean.
        author: who painted it.

    Raises:
        BadFile: No picture, one of another size, or of values that are no class.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            is_lossy = image.format == _LOSSY
            # A palette's numbers are the classes, not its colours.
            values = np.asarray(image if image.mode in {"P", "1", "I;16"} else image.convert("L"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise BadFile("the mask is no picture that can be read", hint="Give a PNG.") from error
    rows, columns = values.shape
    if geometry.shape != (1, rows, columns):
        raise BadFile(
            f"a mask of {rows} x {columns} pixels for a series of {_size(geometry)}",
            hint="A picture is a mask of a single image of the same size; of a volume give NIfTI.",
        )
    if len(classes) == 1 and values.max() >= _WHITE:
        numbers = values > values.max() / 2
    elif is_lossy and values.any():
        raise BadFile(
            "a JPEG cannot hold the numbers of classes: its values are not exact",
            hint="Export the mask as PNG, value 1 for the first class, 2 for the second.",
        )
    elif values.max() > len(classes):
        raise BadFile(
            f"a mask with values up to {values.max()} for {len(classes)} classes",
            hint="Value 0 is background, 1 the first class, 2 the second; a single class may be "
            "painted white on black.",
        )
    else:
        numbers = values
    mask = np.ascontiguousarray(numbers[None], dtype=np.uint8)
    return Segmentation(mask=mask, geometry=geometry, classes=classes, author=author)


def _size(geometry: Geometry) -> str:
    slices, rows, columns = geometry.shape
    return f"{slices} x {rows} x {columns} voxels"
