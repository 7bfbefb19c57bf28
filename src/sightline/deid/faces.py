"""Whether an image may show a face: the surface of a head can be rendered and recognised.

Nothing here looks at pixels. Where words do not place an image elsewhere in the body, it counts as
a head.
"""

import functools

from sightline.deid.attributes import read_table
from sightline.deid.dataset import Dataset, read_file
from sightline.deid.vocabulary import words_of
from sightline.values.study import DeidentifiedInstance

RECOGNIZABLE_VISUAL_FEATURES = 0x00280302

_IODS_WITH_SURFACE = frozenset(
    {
        "ct-image",
        "enhanced-ct-image",
        "enhanced-mr-image",
        "enhanced-pet-image",
        "legacy-converted-enhanced-ct-image",
        "legacy-converted-enhanced-mr-image",
        "legacy-converted-enhanced-pet-image",
        "mr-image",
        "parametric-map",
        "positron-emission-tomography-image",
    }
)
_REGION_TAGS = (
    0x00081030,  # Study Description
    0x0008103E,  # Series Description
    0x00180015,  # Body Part Examined
    0x00181030,  # Protocol Name
    0x00321060,  # Requested Procedure Description
    0x00400254,  # Performed Procedure Step Description
)


def may_show_face(elements: Dataset, iod: str) -> bool | None:
    """Tell whether the face of the patient may stand in an image, from what it says of itself.

    Args:
        elements: the identified dataset, whose descriptions are still whole.
        iod: the object definition.

    Returns:
        None for an object that shows no surface of the body.
    """
    if iod not in _IODS_WITH_SURFACE:
        return None
    words = {word for tag in _REGION_TAGS for word in _words(elements, tag)}
    regions = {_region(word) for word in words}
    return "head" in regions or "elsewhere" not in regions


def is_head(instance: DeidentifiedInstance) -> bool:
    """Tell whether an instance that passed the door may show a face: it must not become public.

    Raises:
        NotDicom: The content is no DICOM file.
    """
    mark = read_file(instance.content, sequences=()).elements.get(RECOGNIZABLE_VISUAL_FEATURES)
    return mark is not None and bytes(mark.value).strip() != b"NO"


@functools.lru_cache(maxsize=4096)
def _region(word: str) -> str:
    return next(
        (
            region
            for stem, has_any_ending, region in _regions()
            if word == stem or (has_any_ending and word.startswith(stem))
        ),
        "",
    )


@functools.cache
def _regions() -> tuple[tuple[str, bool, str], ...]:
    """Give each row of the table: how a word begins, whether it may go on, and the region."""
    rows = read_table("regions.csv")
    return tuple(
        (row["word"].rstrip("*"), row["word"].endswith("*"), row["region"]) for row in rows
    )


def _words(elements: Dataset, tag: int) -> list[str]:
    element = elements.get(tag)
    return words_of(bytes(element.value).decode("latin-1")) if element else []
