"""Store plain volumes as Sightline does."""

import sys
from pathlib import Path

import numpy as np

from sightline.store.arrays import write_array


def prepare(plain: Path, folder: Path) -> None:
    """Write every image and mask of `plain` as a stored array."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(plain.glob("*.npy")):
        write_array(folder / path.stem, np.load(path), {})


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), Path(sys.argv[2]))
