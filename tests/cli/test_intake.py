"""The verbs that bring data in and send it out, end to end."""

from pathlib import Path

import numpy as np

from sightline.formats.nifti import write_nifti_mask
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation
from tests.cli.conftest import Run
from tests.counterparties import HOST
from tests.instances import SERIES, STUDY, part10_of, slice_of, write_series


def mask_of(folder: Path, slices: int) -> Path:
    """Draw something on the series of `write_series`."""
    affine = np.array([[0, 0, 1.0, -10], [0, 1.0, 0, -20], [2.0, 0, 0, 2.0], [0, 0, 0, 1]])
    mask = np.zeros((slices, 16, 16), dtype=np.uint8)
    mask[1:3, 4:9, 5:10] = 1
    drawn = Segmentation(
        mask=mask,
        geometry=Geometry.from_affine(mask.shape, affine),
        classes=("lesion",),
        author="Reader",
    )
    path = folder / "mask.nii.gz"
    path.write_bytes(write_nifti_mask(drawn))
    return path


def test_import_list_annotate(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 4)
    done = run("import", tmp_path / "in")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "4 new instances of 1 studies, 0 here already, 0 in quarantine, 0 refused, 0 other files\n"
    )
    (line,) = run("studies").stdout.splitlines()
    assert line.split("\t")[:7] == [
        *(STUDY, "PHANTOM-1", "20240131", "Chest", "CT", "4", "receiving")
    ]
    mask = mask_of(tmp_path, 4)
    options = ("--classes", "lesion", "--author", "Reader")
    assert run("annotate", SERIES, mask, *options).stdout.startswith("1 new, 0 here already")
    assert run("annotate", SERIES, mask, *options).stdout.startswith("0 new, 1 here already")
    (line,) = run("studies").stdout.splitlines()
    assert line.split("\t")[4:6] == ["CT\\SEG", "5"]


def test_a_table_of_masks(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 4)
    run("import", tmp_path / "in")
    mask = mask_of(tmp_path, 4)
    table = tmp_path / "masks.csv"
    table.write_text(f"series_uid,mask,author\n{SERIES},{mask.name},Reader\n1.2.3,{mask.name},R\n")
    done = run("annotate", "--table", table, "--classes", "lesion")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "1 new, 0 here already, 0 in quarantine",
        f"refused\t{mask}\tthe archive has no series 1.2.3",
    ]


def test_annotate_wants_one_mask_or_a_table(run: Run) -> None:
    done = run("annotate", SERIES)
    assert done.returncode == 2
    assert "--table FILE" in done.stderr


def test_import_tells_what_it_did_not_take(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 1)
    (tmp_path / "in" / "cut.dcm").write_bytes(part10_of(slice_of(2))[:300])
    (tmp_path / "in" / "other.dcm").write_bytes(part10_of(slice_of(1, RescaleIntercept=0)))
    done = run("import", tmp_path / "in", "--report", tmp_path / "report.csv")
    assert done.returncode == 1
    assert len((tmp_path / "report.csv").read_text().splitlines()) == 4
    summary, refused = done.stdout.splitlines()
    assert summary.startswith("1 new instances of 1 studies, 0 here already, 1 in quarantine")
    assert refused.startswith("refused\tcut.dcm\ta broken DICOM file")


def test_import_of_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert run("import", tmp_path / "in").returncode == 1
    missing = run("import", tmp_path / "missing")
    assert missing.returncode == 1
    assert "there is nothing at" in missing.stderr


def test_send(run: Run, tmp_path: Path, storescp: tuple[int, Path]) -> None:
    port, folder = storescp
    write_series(tmp_path / "in" / "deep", 3)
    (tmp_path / "in" / "readme.txt").write_text("not an instance")
    done = run("send", f"PEER@{HOST}:{port}", tmp_path / "in")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 instances in ")
    assert len(list(folder.iterdir())) == 3
