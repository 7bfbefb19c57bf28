"""Where the classes of each example lie, found once a run."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from sightline.errors import Refused
from sightline.feed.example import Example
from sightline.values.arrays import Mask

# So many voxels of a class are kept; a crop needs a place, not every place.
_MOST_PLACES = 2048


@dataclasses.dataclass(frozen=True, slots=True)
class ForegroundIndex:
    """Voxels of each class of one mask.

    Attributes:
        places: (count, 3) indices, evenly taken, of each class that the mask holds.
    """

    places: tuple[npt.NDArray[np.int32], ...]

    @classmethod
    def of(cls, mask: Mask, class_count: int) -> Self:
        """Index one mask."""
        flat = mask.ravel()
        found = []
        for number in range(1, class_count + 1):
            where = np.flatnonzero(flat == number)
            chosen = where[:: max(1, where.size // _MOST_PLACES)]
            if chosen.size:
                found.append(np.stack(np.unravel_index(chosen, mask.shape), 1).astype(np.int32))
        return cls(tuple(found))


def read_mask(example: Example) -> Mask:
    """Read the whole mask of an example.

    Raises:
        Refused: The example has none.
    """
    if example.mask is None:
        raise Refused(
            f"series {example.series_uid} has no annotation to learn from",
            hint="Annotate it, or make a collection version without it.",
        )
    return example.mask.read().astype(np.uint8, copy=False)


def index_foreground(examples: Sequence[Example], class_count: int) -> tuple[ForegroundIndex, ...]:
    """Index the masks of all examples, one in memory at a time.

    Raises:
        Refused: An example has no mask.
    """
    return tuple(ForegroundIndex.of(read_mask(example), class_count) for example in examples)
