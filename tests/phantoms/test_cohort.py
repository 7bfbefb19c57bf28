"""A folder of phantom patients: studies, masks, and a table that ties them together."""

import csv
from pathlib import Path

import numpy as np

from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import read_volume
from sightline.formats.nifti import read_nifti_mask
from sightline.phantoms.cohort import write_chest_cohort
from sightline.phantoms.scanner import BOREAS
from sightline.values.alignment import align_to_grid

SHAPE = (8, 32, 32)


def test_studies_masks_and_table_belong_together(tmp_path: Path) -> None:
    members = list(
        write_chest_cohort(tmp_path, scanner=BOREAS, patients=range(5, 7), visits=2, shape=SHAPE)
    )
    assert len(members) == 4
    with (tmp_path / "masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["series_uid"] for row in rows] == [each.series.series_uid for each in members]
    for row, member in zip(rows, members, strict=True):
        volume = read_volume(member.series.files)
        mask = read_nifti_mask(
            (tmp_path / row["mask"]).read_bytes(),
            classes=tuple(row["classes"].split(",")),
            author=row["author"],
        )
        aligned = align_to_grid(mask, volume.geometry)
        is_healthy = member.series.patient.patient_id == "PHANTOM-000006"
        assert bool(aligned.mask.any()) != is_healthy
    grown = [align for align in members if align.series.patient.patient_id == "PHANTOM-000005"]
    sizes = [
        int(
            np.count_nonzero(
                read_nifti_mask(each.mask.read_bytes(), classes=("a", "b"), author="").mask
            )
        )
        for each in grown
    ]
    assert sizes[1] > sizes[0]
    dates = [read_header(each.series.files[0].read_bytes()).study_date for each in grown]
    assert dates[0] < dates[1]
