"""Where the classes of each example lie: found once, and kept beside the mask."""

import contextlib
import dataclasses
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightline.errors import Refused
from sightline.feed.example import Example
from sightline.store.arrays import StoredArray
from sightline.values.arrays import Mask

# So many voxels of a class are kept; a crop needs a place, not every place.
_MOST_PLACES = 2048
# In the folder of the mask, so that it goes when the mask goes. The number is the format's.
_KEPT = "sightline-foreground-1.npz"


@dataclasses.dataclass(frozen=True, slots=True)
class ForegroundIndex:
    """Voxels of each class of one mask.

    Attributes:
        places: (count, 3) indices, evenly taken, of each class that the mask holds.
    """

    places: tuple[npt.NDArray[np.int32], ...]


def read_mask(example: Example) -> Mask:
    """Read the whole mask of an example.

    Raises:
        Refused: The example has none.
    """
    return annotation(example).read().astype(np.uint8, copy=False)


def annotation(example: Example) -> StoredArray:
    """Return the mask of an example, unread.

    Raises:
        Refused: The example has none.
    """
    if example.mask is None:
        raise Refused(
            f"series {example.series_uid} has no annotation to learn from",
            hint="Annotate it, or make a collection version without it.",
        )
    return example.mask


def check_annotated(example: Example) -> None:
    """Check that there is something to learn from.

    Raises:
        Refused: There is not.
    """
    if not example.is_annotated:
        annotation(example)


def index_foreground(example: Example, class_count: int) -> ForegroundIndex:
    """Index the mask of an example, or take the index that an earlier run left beside it.

    Nothing is indexed of examples that teach by numbers or by an image.

    Raises:
        Refused: The example has nothing to learn from.
        DamagedObject: The mask cannot be read.
    """
    if example.mask is None and example.is_annotated:
        return ForegroundIndex(())
    kept = annotation(example).path / _KEPT
    found = _read(kept)
    if found is None:
        found = _places(read_mask(example))
        _keep(kept, found)
    return ForegroundIndex(
        tuple(found[number] for number in sorted(found) if number <= class_count)
    )


def _places(mask: Mask) -> dict[int, npt.NDArray[np.int32]]:
    flat = mask.ravel()
    where = np.flatnonzero(flat)
    classes = flat[where]
    found = {}
    for number in np.flatnonzero(np.bincount(classes, minlength=1)):
        of_class = where[classes == number]
        chosen = of_class[:: max(1, of_class.size // _MOST_PLACES)]
        found[int(number)] = np.stack(np.unravel_index(chosen, mask.shape), 1).astype(np.int32)
    return found


def _read(path: Path) -> dict[int, npt.NDArray[np.int32]] | None:
    """Read an index; None where there is none, or where its checksums do not hold."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return {int(name): content[name] for name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _keep(path: Path, found: dict[int, npt.NDArray[np.int32]]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    # Who may not write here, or finds the disk full, makes the index again next time.
    with contextlib.suppress(OSError):
        try:
            with unfinished.open("wb") as file:
                named: dict[str, Any] = {str(number): found[number] for number in found}
                np.savez(file, **named)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
