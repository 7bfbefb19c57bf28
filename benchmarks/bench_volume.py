"""A CT series to a volume, beside SimpleITK and dcm2niix, on the same phantom files.

SimpleITK and Sightline read the series into memory. dcm2niix is a program that converts files to
files, so beside it Sightline reads the series and writes its voxels as an uncompressed file to the
same memory file system; the start of dcm2niix's process is counted, as it is each time it is used.
Interleaved rounds with a warm page cache; the best of each, because other work shares the machine.
Every round checks that all three have the same voxels.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parent.parent))

import nibabel as nib
import numpy as np
import SimpleITK

from sightline.formats.dicom_image import read_volume
from sightline.phantoms.campaign import write_chests
from sightline.phantoms.scanner import SITES
from sightline.values.arrays import Voxels
from sightline.values.volume import Volume

SLICES = int(os.environ.get("SLICES", "300"))
ROUNDS = 5
Reader: TypeAlias = Callable[[], Any]
INTERCEPT = SITES["a"].rescale_intercept
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


def main() -> None:
    """Run every reader on the same files and print one JSON line a peer."""
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        write_chests(
            folder,
            seeds=range(1),
            scanner=SITES["a"],
            shape=(SLICES, 512, 512),
            on_progress=lambda _: None,
        )
        files = sorted(path for path in (folder / "dicom").rglob("*") if path.is_file())
        best = run(files, folder)
    for what, ours, peer in (
        ("read a CT series into memory", "sightline", "SimpleITK"),
        ("convert a CT series to one file", "sightline, written", "dcm2niix"),
    ):
        print(
            json.dumps(
                {
                    "name": f"{what}, beside {peer} ({SLICES} phantom slices of 512 x 512)",
                    "ours": round(best[ours], 1),
                    "peer": round(best[peer], 1),
                    "ratio": round(best[ours] / best[peer], 2),
                    "unit": "slices/s",
                }
            )
        )


def run(files: list[Path], folder: Path) -> dict[str, float]:
    """Return the best rate of each reader, in slices a second."""
    readers: dict[str, Reader] = {
        "sightline": lambda: read_volume(files),
        "SimpleITK": lambda: SimpleITK.ReadImage([str(path) for path in files]),
        "sightline, written": lambda: written(files, folder / "voxels.npy"),
        "dcm2niix": lambda: dcm2niix(files[0].parent, folder),
    }
    expected = read_volume(files)
    best = dict.fromkeys(readers, 0.0)
    for _ in range(ROUNDS):
        for who, read in readers.items():
            began = time.perf_counter()
            made = read()
            seconds = time.perf_counter() - began
            best[who] = max(best[who], len(files) / seconds)
            if not np.array_equal(stored_voxels(made), expected.voxels):
                sys.exit(f"{who} has other voxels")
    return best


def stored_voxels(made: Any) -> Voxels:  # noqa: ANN401 - each reader gives a type of its own
    """Return (slices, rows, columns) as acquired, without time that counts."""
    if isinstance(made, Volume):
        return made.voxels
    if isinstance(made, SimpleITK.Image):
        # It applies the rescale, which phantoms have as 1 and a whole number.
        return SimpleITK.GetArrayViewFromImage(made) - int(INTERCEPT)
    return nib.load(made).dataobj.get_unscaled().T[:, ::-1]


def written(files: list[Path], path: Path) -> Volume:
    """Read and write what was read."""
    volume = read_volume(files)
    np.save(path, volume.voxels)
    return volume


def dcm2niix(source: Path, folder: Path) -> Path:
    """Convert with dcm2niix, without compression; return what it wrote."""
    program = shutil.which("dcm2niix")
    if program is None:
        sys.exit("dcm2niix is not installed: apt-get install dcm2niix, or pip install dcm2niix")
    for old in folder.glob("peer*"):
        old.unlink()
    command = [program, "-z", "n", "-b", "n", "-f", "peer", "-o", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "peer.nii"


if __name__ == "__main__":
    main()
