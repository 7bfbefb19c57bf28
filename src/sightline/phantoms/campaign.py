"""Many phantom studies at once, as folders of DICOM beside a table of their masks."""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from sightline.errors import BadFile
from sightline.formats.nifti import read_nifti_volume, write_nifti_mask
from sightline.phantoms.chest import chest_ct
from sightline.phantoms.people import visit
from sightline.phantoms.scanner import Scanner
from sightline.phantoms.series import SeriesNames, wrap_volume, write_series

_READER = "Phantom^Reader"
_COLUMNS = ("series_uid", "mask", "classes", "author")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One series with the mask that belongs to it, as `sightline annotate --table` reads it."""

    series_uid: str
    mask: Path
    classes: tuple[str, ...]


def write_chests(
    folder: Path,
    *,
    seeds: Sequence[int],
    scanner: Scanner,
    shape: tuple[int, int, int],
    on_progress: Callable[[int], None],
) -> Path:
    """Write one chest CT a seed under `folder`/dicom, and its truth under `folder`/masks.

    Returns:
        the table of masks.

    Raises:
        OSError: A file cannot be written.
    """
    rows = []
    masks = folder / "masks"
    masks.mkdir(parents=True, exist_ok=True)
    for done, seed in enumerate(seeds, start=1):
        phantom = chest_ct(seed, shape=shape, scanner=scanner)
        images = folder / "dicom" / f"{seed:04d}"
        written = write_series(phantom.volume, images, visit=visit(seed), scanner=scanner)
        mask = masks / f"{seed:04d}.nii.gz"
        mask.write_bytes(write_nifti_mask(phantom.truth))
        classes = phantom.truth.classes
        rows.append(TableRow(series_uid=written.series_uid, mask=mask, classes=classes))
        on_progress(done)
    return write_table(folder / "masks.csv", rows)


def wrap_images(
    images: Sequence[tuple[Path, Path | None]],
    folder: Path,
    *,
    modality: str,
    classes: tuple[str, ...],
    names: SeriesNames,
    on_progress: Callable[[int], None],
) -> Path:
    """Write each NIfTI image as a study of a made-up person under `folder`/dicom.

    Args:
        images: image files, each with its mask file or None.
        folder: where to write.
        modality: `CT` or `MR`.
        classes: class k of every mask is `classes[k - 1]`.
        names: what the series are called.
        on_progress: called with the number of images done.

    Returns:
        the table of masks.

    Raises:
        BadFile: An image is no NIfTI volume, or cannot be a DICOM series.
        OSError: A file cannot be read or written.
    """
    rows = []
    for done, (image, mask) in enumerate(images, start=1):
        try:
            volume = read_nifti_volume(image.read_bytes(), modality=modality)
        except BadFile as error:
            raise BadFile(f"{image.name}: {error.problem}", hint=error.hint) from error
        written = wrap_volume(volume, folder / "dicom" / f"{done:04d}", seed=done, names=names)
        if mask is not None:
            rows.append(TableRow(series_uid=written.series_uid, mask=mask, classes=classes))
        on_progress(done)
    return write_table(folder / "masks.csv", rows)


def write_table(path: Path, rows: Sequence[TableRow]) -> Path:
    """Write the table that `sightline annotate --table` reads; return its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for row in rows:
            mask = row.mask.resolve()
            table.writerow((row.series_uid, mask, ",".join(row.classes), _READER))
    return path
