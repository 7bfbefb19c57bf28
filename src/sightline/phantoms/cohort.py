"""Many phantom patients in a folder: their studies as DICOM, and the truth as an expert's masks.

FOLDER/dicom/PATIENT-VISIT/0001.dcm ...
FOLDER/masks/PATIENT-VISIT.nii.gz
FOLDER/masks.csv        series_uid, mask, classes, author
"""

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from sightline.formats.nifti import write_nifti_mask
from sightline.phantoms.chest import CLASSES, chest_ct
from sightline.phantoms.people import visit
from sightline.phantoms.scanner import Scanner
from sightline.phantoms.series import WrittenSeries, write_series

COLUMNS = ("series_uid", "mask", "classes", "author")
AUTHOR = "Phantom^Truth"

_HEALTHY_EVERY = 6
_GROWTH_PER_VISIT = 1.25


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CohortMember:
    """One study of the cohort; `mask` is empty for a healthy patient, but it is there."""

    series: WrittenSeries
    mask: Path


def write_chest_cohort(
    folder: Path,
    *,
    scanner: Scanner,
    patients: range,
    visits: int = 1,
    shape: tuple[int, int, int] = (48, 128, 128),
) -> Iterator[CohortMember]:
    """Write chest CT studies one after another, and at the end the table of their masks.

    Every sixth patient is healthy; lesions grow by a quarter from visit to visit.

    Args:
        folder: made if it is missing.
        scanner: what they are scanned with.
        patients: their seeds; the same seed is the same person everywhere.
        visits: studies a patient.
        shape: slices, rows, columns.

    Raises:
        OSError: A file cannot be written.
    """
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    members = []
    for seed in patients:
        for number in range(visits):
            member = _write_member(folder, seed, number, scanner=scanner, shape=shape)
            members.append(member)
            yield member
    with (folder / "masks.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for member in members:
            mask = member.mask.relative_to(folder).as_posix()
            table.writerow((member.series.series_uid, mask, ",".join(CLASSES), AUTHOR))


def _write_member(
    folder: Path, seed: int, number: int, *, scanner: Scanner, shape: tuple[int, int, int]
) -> CohortMember:
    phantom = chest_ct(
        seed,
        shape=shape,
        scanner=scanner,
        is_healthy=seed % _HEALTHY_EVERY == 0,
        time_point=number,
        growth=_GROWTH_PER_VISIT**number,
    )
    seen = visit(seed, number=number)
    name = f"{seen.patient.patient_id}-{number + 1}"
    series = write_series(phantom.volume, folder / "dicom" / name, visit=seen, scanner=scanner)
    mask = folder / "masks" / f"{name}.nii.gz"
    mask.write_bytes(write_nifti_mask(phantom.truth))
    return CohortMember(series=series, mask=mask)
