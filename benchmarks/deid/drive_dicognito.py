"""dicognito as its command runs it: the default anonymizer with a seed, and its default guard."""

from pathlib import Path

import pydicom
from dicognito.anonymizer import Anonymizer
from dicognito.filters import BurnedInAnnotationGuard
from drive import SECRET, drive

ANONYMIZER = Anonymizer(seed=SECRET.decode())
GUARD = BurnedInAnnotationGuard("if-yes", "warn")


def clean(source: Path, target: Path) -> None:
    """Do what dicognito's `main` does with a file."""
    with pydicom.dcmread(source, force=False) as dataset:
        GUARD.before_each(dataset)
        ANONYMIZER.anonymize(dataset)
        dataset.save_as(target, enforce_file_format=True)


if __name__ == "__main__":
    drive(clean)
