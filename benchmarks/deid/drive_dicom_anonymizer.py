"""dicom-anonymizer with its newest table, private tags deleted, and rules of one's own for dates.

By itself it sets every date of the table to 1 January of the year 1 and empties the patient id.
Its documentation shows how a rule is replaced by a function; with such functions dates move back
by the patient's own number of days, times stay and the patient id becomes a pseudonym.
"""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pydicom
from dicomanonymizer import anonymize_dataset, keep
from dicomanonymizer.simpledicomanonymizer import initialize_actions_2024b
from drive import MAX_DAYS, SECRET, drive
from pydicom.datadict import dictionary_has_tag, dictionary_VR

PATIENT_ID = (0x0010, 0x0020)


def clean(source: Path, target: Path) -> None:
    """Clean one file."""
    dataset = pydicom.dcmread(source)
    digest = hashlib.sha256(SECRET + str(dataset.get("PatientID", "")).encode()).hexdigest()
    anonymize_dataset(
        dataset,
        rules(digest),
        delete_private_tags=True,
        base_rules_gen=initialize_actions_2024b,
    )
    dataset.save_as(target)


def rules(digest: str) -> dict[tuple[int, ...], Any]:
    """Return the rules that keep a patient's story."""
    days = 1 + int(digest[:8], 16) % MAX_DAYS

    def shift(dataset: pydicom.Dataset, tag: tuple[int, int]) -> None:
        element = dataset.get(tag)
        if element is not None and element.value:
            element.value = _moved(str(element.value), days)

    def name(dataset: pydicom.Dataset, tag: tuple[int, int]) -> None:
        element = dataset.get(tag)
        if element is not None:
            element.value = digest[:16]

    found: dict[tuple[int, ...], Any] = dict.fromkeys(DATES, shift) | dict.fromkeys(TIMES, keep)
    return found | {PATIENT_ID: name}


def _of_vr(*vrs: str) -> list[tuple[int, ...]]:
    return [
        tag
        for tag in initialize_actions_2024b()
        if len(tag) == len(PATIENT_ID)
        and dictionary_has_tag(tag[0] << 16 | tag[1])
        and dictionary_VR(tag[0] << 16 | tag[1]) in vrs
    ]


def _moved(value: str, days: int) -> str:
    moved = dt.datetime.strptime(value[:8], "%Y%m%d") - dt.timedelta(days=days)  # noqa: DTZ007 - DICOM
    return moved.strftime("%Y%m%d") + value[8:]


DATES, TIMES = _of_vr("DA", "DT"), _of_vr("TM")

if __name__ == "__main__":
    drive(clean)
