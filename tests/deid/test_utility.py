"""What research needs of an image leaves unchanged (D9), and odd values neither crash nor leak (D7)."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from sightline.deid.attributes import table_rows
from sightline.deid.door import pass_door
from sightline.deid.vault import Vault
from tests.deid import hostile
from tests.deid.conftest import StudyOf
from tests.deid.studies import dicom_files, read, study_in

# Image acquisition, relationship, presentation, nuclear medicine, radiotherapy.
GROUPS = frozenset({0x0018, 0x0020, 0x0028, 0x0054, 0x3004, 0x3006, 0x300A, 0x300C})
NUMBERS_AND_TERMS = frozenset(
    {"CS", "DS", "FD", "FL", "IS", "SL", "SS", "UL", "US", "AT", "OF", "OD", "OL"}
)


def needed(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Give the numbers and coded strings that no row of the table names, at every depth."""
    for element in dataset:
        # Lengths of groups say nothing; what the table names is the table's.
        if element.tag.is_private or not element.tag.element or element.tag in table_rows():
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from needed(item)
        elif (
            element.tag.group in GROUPS
            and element.VR in NUMBERS_AND_TERMS
            and element.value is not None
        ):
            yield element.keyword, str(element.value)


def test_what_research_needs_of_real_images_is_kept(test_data: Path, vault: Vault) -> None:
    kept: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for path in dicom_files(test_data):
        passage = pass_door(study_in([path]), vault)
        if passage.study is None:
            continue
        before = Counter(needed(pydicom.dcmread(path, stop_before_pixels=True)))
        after = Counter(needed(read(passage.study.instances[0].content)))
        for (keyword, value), count in before.items():
            kept[keyword] += min(count, after[keyword, value])
            lost[keyword] += max(0, count - after[keyword, value])
    assert kept.total() > 15_000
    assert {"PixelSpacing", "RescaleSlope", "WindowCenter", "EchoTime", "KVP"} <= kept.keys()
    assert lost.total() <= kept.total() / 1000, lost.most_common(10)


DATES = (
    b"202001",
    b"2020",
    b"20200101-20200301",
    b"-20200301",
    b"20200101-",
    b"2020.01.01",
    b"20201301",
    b"20200230",
    b"00000000",
    b"        ",
    b"KANARI",
    b"20200101\\20200102",
    b"1931021",
    b"19310213KANARI",
)
NAMES = (
    b"KANARI^VOGEL",
    b"^^^^",
    b"KANARI",
    b"=KANARI=",
    "カナリ^鳥KANARI".encode(),
    b"KANARI^" + b"X" * 200,
    b"KANARI\\VOGEL",
    b"\xff\xfeK\0A\0",
    b"\x1b$B%+%J\x1b(BKANARI",
    b"",
    b" ",
    b"\0\0",
)
ODD_NUMBERS = (b"KANARI", b"1e999", b"--1", b"1,5", b"9" * 40, b"0x10", b"NaN", b"", b"1\\KANARI")
TEXTS = (
    b"KANARI",
    b"K A N A R I KANARI",
    b"k.a.n.a.r.i KANARI",
    b"X" * 65 + b"KANARI",
    b"\x00KANARI\x00",
    b"line\r\nKANARI",
    b"%00KANARI",
    "\uff2b\uff21\uff2e KANARI".encode(),
    b"",
)
ATTRIBUTES = {
    "DA": (0x00080020, 0x00080022, 0x00100030, 0x00181200),
    "PN": (0x00100010, 0x00080090, 0x00700084),
    "DS": (0x00180050, 0x00101030, 0x00281052),
    "LO": (0x0008103E, 0x00080080, 0x00100020, 0x00180015),
}
VALUES = {"DA": DATES, "PN": NAMES, "DS": ODD_NUMBERS, "LO": TEXTS}
WRONG_VRS = ("DA", "PN", "DS", "LO", "UI", "US", "OB", "UN", "SH", "UT")


def cases() -> list[tuple[int, str, bytes]]:
    """Return odd values of attributes, in their VR and in wrong ones."""
    own = [
        (tag, vr, value)
        for vr, tags in ATTRIBUTES.items()
        for tag, value in itertools.product(tags, VALUES[vr])
    ]
    wrong = [
        (tag, vr, value)
        for tag, vr in itertools.product(
            (0x00080020, 0x0008103E, 0x00100020, 0x00280010), WRONG_VRS
        )
        for value in (b"KANARI", b"KANARI\\VOGEL")
    ]
    return own + wrong


def test_there_are_200_odd_values() -> None:
    assert len(cases()) >= 200


@pytest.mark.parametrize("syntax", [hostile.EXPLICIT, hostile.IMPLICIT])
def test_odd_values_neither_crash_nor_leak(study_of: StudyOf, vault: Vault, syntax: str) -> None:
    ends: Counter[str] = Counter()
    for tag, vr, value in cases():
        tree = hostile.base() | {0x00100020: ("LO", b"4711"), tag: (vr, value)}
        canaries = hostile.Canaries()
        content = hostile.part10(tree, syntax, canaries)
        content = content[: -len(canaries.value("LO"))]
        passage = pass_door(study_of([content]), vault)
        ends.update(each.reason for each in passage.held)
        if passage.study is not None:
            ends["passed"] += 1
            assert hostile.survivors(passage.study.instances[0].content) == [], (tag, vr, value)
    assert ends["unreadable"] == 0
    assert ends["passed"] > len(cases()) * 0.9


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (b"123", b" 123 ", True),
        (b"123", b"0123", False),
        (b"123", b"123\0", True),
        (b"a", b"A", False),
        (b"1 2", b"1  2", True),
        ("\u00e4".encode(), "a\u0308".encode(), True),
    ],
)
def test_patient_ids_are_the_same_person_or_not(
    study_of: StudyOf, vault: Vault, first: bytes, second: bytes, *, is_same: bool
) -> None:
    subjects = set()
    for patient_id in (first, second):
        tree = hostile.base() | {0x00100020: ("LO", patient_id)}
        content = hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries())
        passage = pass_door(study_of([content[:-16]]), vault)
        assert passage.study is not None
        subjects.add(passage.study.subject_id)
    assert (len(subjects) == 1) == is_same
