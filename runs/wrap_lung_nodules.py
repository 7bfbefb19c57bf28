"""Write the lung nodules of LIDC-IDRI crops as DICOM, with up to four readers' masks of each.

    runs/wrap_lung_nodules.py LUNG_NODULES TARGET [COUNT]

Each real patient becomes one made-up person, with one study, and a series a nodule. The crops have
lost their scale and their spacing: voxels hold an 8-bit window, not HU, and a spacing of 1 mm is
made up. `TARGET/masks.csv` is what `sightline annotate --table` reads. The four slots are not the
same four people throughout; an empty mask says that a reader looked and marked nothing.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sightline.formats.nifti import write_nifti_mask
from sightline.phantoms.people import visit
from sightline.phantoms.series import SeriesNames, WrittenSeries, write_series
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume

CLASSES = ("nodule",)
READERS = ("Slot^One", "Slot^Two", "Slot^Three", "Slot^Four")
_AFFINE = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])
_COLUMNS = ("series_uid", "mask", "classes", "author")


def wrap(source: Path, target: Path, *, count: int | None = None) -> Path:
    """Wrap the first `count` nodules, or all; return the table of masks."""
    files = sorted(source.glob("*.npz"))[:count]
    people: dict[str, int] = {}
    rows: list[tuple[object, ...]] = []
    (target / "masks").mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        seed = people.setdefault(file.stem.split("_")[0], len(people) + 1)
        image, masks = read(file)
        written = _write(image, target / "dicom" / f"{number:04d}", seed=seed, number=number)
        for slot, mask in enumerate(masks):
            drawn = Segmentation(
                mask=mask, geometry=written.volume.geometry, classes=CLASSES, author=READERS[slot]
            )
            path = target / "masks" / f"{number:04d}-{slot}.nii.gz"
            path.write_bytes(write_nifti_mask(drawn))
            rows.append((written.series_uid, path.resolve(), ",".join(CLASSES), READERS[slot]))
    table = target / "masks.csv"
    with table.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([_COLUMNS, *rows])
    return table


def read(file: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the image, (slices, rows, columns), and (readers, slices, rows, columns)."""
    with np.load(file) as content:
        shape = tuple(int(length) for length in content["masks_shape"])
        bits = np.unpackbits(content["masks"])[: int(np.prod(shape))]
        return content["image"], bits.reshape(shape)


def _write(image: npt.NDArray[np.uint8], folder: Path, *, seed: int, number: int) -> WrittenSeries:
    volume = Volume(
        voxels=image, geometry=Geometry.from_affine(image.shape, _AFFINE), modality="CT"
    )
    names = SeriesNames(
        number=number + 2,
        description="LUNG NODULE CROP, 8 BIT WINDOW",
        study_description="CT LUNG NODULES",
    )
    return write_series(volume, folder, visit=visit(seed), names=names)


if __name__ == "__main__":
    source, target, *rest = sys.argv[1:]
    made = wrap(Path(source), Path(target), count=int(rest[0]) if rest else None)
    sys.stdout.write(f"{made}\n")
