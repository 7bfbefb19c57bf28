"""Coded concepts: known ones stay with their own meaning, whatever was typed beside them."""

import dataclasses

import pytest

from sightline.deid.codes import CODE_VALUE, MEANING, SCHEME, SCHEME_VERSION, clean_code
from sightline.deid.dataset import Element
from tests.deid.rules import CONTEXT


def cleaned(value: str, scheme: str, meaning: str, version: str = "") -> tuple[str, str, str]:
    item = {
        CODE_VALUE: Element("SH", value.encode()),
        SCHEME: Element("SH", scheme.encode()),
        MEANING: Element("LO", meaning.encode("latin-1")),
        SCHEME_VERSION: Element("SH", version.encode()),
    }
    kept = clean_code(item, CONTEXT)
    return (
        bytes(kept[CODE_VALUE].value).decode(),
        bytes(kept[SCHEME].value).decode(),
        bytes(kept[MEANING].value).decode(),
    )


LUNG = ("39607008", "SCT", "Lung")
OTHER = ("74964007", "SCT", "Other")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("39607008", "SCT", "Lung"), ("39607008", "SCT", "Lung")),
        (("39607008 ", "SCT ", "Lung of John Smith"), LUNG),
        (
            ("113100", "DCM", "SMITH"),
            ("113100", "DCM", "Basic Application Confidentiality Profile"),
        ),
        # A right check digit, but in no context group: the code stays, the typed text goes.
        (("44054006", "SCT", "Mr Smith"), ("44054006", "SCT", "44054006")),
        (("44054006", "SCT", "Lesion"), ("44054006", "SCT", "Lesion")),
        # A telephone number has no SNOMED check digit.
        (("5551234567", "SCT", "Lung"), OTHER),
        (("T-28000", "SRT", "Lung"), ("T-28000", "SRT", "Lung")),
        (("SMITH", "SRT", "Lung"), OTHER),
        (("RID1301", "RADLEX", "lung"), ("RID1301", "RADLEX", "lung")),
        (("mm", "UCUM", "Smith"), ("mm", "UCUM", "mm")),
        (("mm2/s", "UCUM", "area by time"), ("mm2/s", "UCUM", "mm2/s")),
        (("{SMITH}", "UCUM", "SMITH"), OTHER),
        (("Smith", "UCUM", "Smith"), OTHER),
        (("X1", "99LOCAL", "Chest"), OTHER),
        (
            ("GROUND_GLASS", "99SIGHTLINE", "ground_glass"),
            ("GROUND_GLASS", "99SIGHTLINE", "ground_glass"),
        ),
        (("SMITH", "99SIGHTLINE", "smith"), OTHER),
        (("", "", ""), OTHER),
        (("39607008", "SCT", "L\xfcnge"), LUNG),
    ],
)
def test_known_codes(given: tuple[str, str, str], expected: tuple[str, str, str]) -> None:
    assert cleaned(*given) == expected


def test_version_is_kept_where_it_is_one() -> None:
    item = {CODE_VALUE: Element("SH", b"39607008"), SCHEME: Element("SH", b"SCT")}
    good = clean_code(item | {SCHEME_VERSION: Element("SH", b"20240101")}, CONTEXT)
    assert bytes(good[SCHEME_VERSION].value) == b"20240101"
    bad = clean_code(item | {SCHEME_VERSION: Element("SH", b"SMITH")}, CONTEXT)
    assert SCHEME_VERSION not in bad


def test_item_without_a_code_gains_none() -> None:
    assert clean_code({MEANING: Element("LO", b"Lung")}, CONTEXT) == {}


def test_meaning_that_is_a_name_here_goes() -> None:
    context = dataclasses.replace(CONTEXT, names=frozenset({"lesion"}))
    item = {
        CODE_VALUE: Element("SH", b"44054006"),
        SCHEME: Element("SH", b"SCT"),
        MEANING: Element("LO", b"Lesion"),
    }
    assert bytes(clean_code(item, context)[MEANING].value) == b"44054006"
