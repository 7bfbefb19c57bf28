"""Every row of Table E.1-1, at every depth, with every option: what the standard asks is done."""

import csv
import functools

import pytest
from pydicom.datadict import DicomDictionary

from sightline.deid.attributes import Attribute, facts, read_lines
from sightline.deid.contract import Context
from sightline.deid.dataset import Dataset, read_file
from sightline.deid.keep_list import keep_list
from sightline.deid.profile import Profile
from sightline.deid.walk import Walk
from sightline.values.identity import Patient, SubjectId
from tests.deid import hostile
from tests.deid.rules import VAULT

ROWS = {
    int(row["tag"], 16): row
    for row in csv.DictReader(read_lines("table_e1_1.csv"))
    # File meta is written anew, whatever it was; command elements are in no file.
    if int(row["tag"], 16) >> 16 > 2 and int(row["tag"], 16) in DicomDictionary
}
COLUMN_OF = {
    "clean graphics": "graphics",
    "clean structured content": "structured",
    "clean descriptors": "descriptors",
    "retain full dates": "full_dates",
    "retain modified dates": "modified_dates",
    "retain patient characteristics": "patient",
    "retain device identity": "device",
    "retain uids": "uids",
    "retain institution identity": "institution",
}
ALL_BUT_DATES = [each for each in COLUMN_OF if "dates" not in each]
OPTION_SETS = (
    [],
    *([option] for option in COLUMN_OF),
    [*ALL_BUT_DATES, "retain full dates"],
    [*ALL_BUT_DATES, "retain modified dates"],
)
OFFSET_DAYS = 400
WORD = b"KANARI"
PLANTED = {
    "AE": b"KANARI",
    "AS": b"042Y",
    "CS": b"KANARI",
    "DA": b"19560312",
    "DS": b"4711.5",
    "DT": b"19560312101112",
    "FD": b"KANARI 1",
    "FL": b"KANA",
    "IS": b"4711",
    "LO": b"KANARI VOGEL",
    "LT": b"KANARI VOGEL",
    "OB": b"KANARI",
    "PN": b"KANARI^VOGEL",
    "SH": b"KANARI",
    "ST": b"KANARI VOGEL",
    "TM": b"101112",
    "UC": b"KANARI VOGEL",
    "UI": b"1.2.3.4711",
    "UL": b"KANA",
    "UN": b"KANARI",
    "UR": b"http://kanari",
    "US": b"KA",
    "UT": b"KANARI VOGEL",
}
# Times of day stay where dates move.
MOVED = {"DA": b"19550206", "DT": b"19550206101112"}
# Sequences that no row names, so that what lies in them is met with every option.
OUTER, MIDDLE, INNER = 0x00081115, 0x0008114A, 0x00081199
TIMEZONE = 0x00080201
PRIVATE_CREATOR, PRIVATE_SEQUENCE = 0x00110010, 0x00111001
REMOVED, KEPT, UID, ITEMS, DUMMY = (
    frozenset({each}) for each in ("removed", "kept", "uid", "items cleaned", "dummy")
)
EMPTY = frozenset({"empty", "dummy"})
MOVED_OR_TIME = {"DA": frozenset({"moved"}), "DT": frozenset({"moved"}), "TM": KEPT}
# What an action asks for at Type 1, 2 and 3.
BASIC = {
    "X": (REMOVED, REMOVED, REMOVED),
    "Z": (EMPTY, EMPTY, EMPTY),
    "D": (DUMMY | UID, DUMMY | UID, DUMMY | UID),
    "U": (UID, UID, UID),
    "X/Z": (EMPTY, EMPTY, REMOVED),
    "X/D": (DUMMY, DUMMY, REMOVED),
    "Z/D": (DUMMY, EMPTY, EMPTY),
    "X/Z/D": (DUMMY, EMPTY, REMOVED),
    "X/Z/U*": (ITEMS, ITEMS, ITEMS),
}
PLACES = ("top", "depth 1", "depth 3", "private", "unknown")


def vr_of(tag: int) -> str:
    return str(DicomDictionary[tag][0]).split(" or ")[0]


def value_of(tag: int) -> bytes:
    """Return what is planted: what the attribute may be, so that K and C can be told apart."""
    if tag == TIMEZONE:
        return b"+0100"
    value = PLANTED[vr_of(tag)]
    return b"\\".join([value] * facts()[tag].least) if value.startswith(b"4711") else value


@functools.cache
def planted() -> hostile.Tree:
    """Every row of the table with a value that must not stay."""
    rows: hostile.Tree = {}
    for tag in ROWS:
        vr = vr_of(tag)
        rows[tag] = ("SQ", [{0x00080104: ("LO", WORD)}]) if vr == "SQ" else (vr, value_of(tag))
    return rows


@functools.cache
def contents() -> dict[str, bytes]:
    """Files that hold the rows, by where."""
    base = hostile.base()
    rows = planted()
    nested: hostile.Tree = {MIDDLE: ("SQ", [{INNER: ("SQ", [rows])}])}
    trees: dict[str, hostile.Tree] = {
        "top": base | rows,
        "depth 1": base | {OUTER: ("SQ", [rows])},
        "depth 3": base | {OUTER: ("SQ", [nested])},
        "private": base | {PRIVATE_CREATOR: ("LO", b"KANARI"), PRIVATE_SEQUENCE: ("SQ", [rows])},
        # What is in a sequence of unknown VR is implicit (PS3.5 6.2.2).
        "unknown": base | {OUTER: ("UN", hostile.encode([rows], hostile.IMPLICIT))},
    }
    canaries = hostile.Canaries()
    return {
        place: hostile.part10(tree, hostile.EXPLICIT, canaries) for place, tree in trees.items()
    }


def profile_of(options: list[str]) -> Profile:
    return Profile.model_validate({"name": "trial", "purpose": "a trial", "options": options})


@functools.cache
def cleaned(options: tuple[str, ...], place: str) -> Dataset:
    """Pass a file and return what stands at the place."""
    profile = profile_of(list(options))
    offset_days = 0 if "retain full dates" in options else OFFSET_DAYS
    keep = keep_list(profile)
    context = Context(
        vault=VAULT,
        subject_id=SubjectId("S-A"),
        patient=Patient(patient_id="P"),
        offset_days=offset_days,
        keep_list=keep,
    )
    parsed = read_file(contents()[place], keep.sequences)
    passed = Walk(context).clean(parsed.elements, "ct-image")
    assert PRIVATE_SEQUENCE not in passed
    if place == "top":
        return passed
    if place == "private":
        return {}
    for tag in (OUTER, MIDDLE, INNER) if place == "depth 3" else (OUTER,):
        (passed,) = passed[tag].items or ()
    return passed


def asked(row: dict[str, str], options: list[str], fact: Attribute, place: str) -> frozenset[str]:
    """Say what Table E.1-1 allows to be done to a row (PS3.15 E.3.1 and the options of E.3)."""
    columns = {COLUMN_OF[option] for option in options}
    softened = {row[column] for column in columns if row[column]}
    vr = vr_of(fact.tag)
    if (
        "modified_dates" in columns
        and row["modified_dates"]
        and (vr in MOVED_OR_TIME or fact.tag == TIMEZONE)
    ):
        return MOVED_OR_TIME.get(vr, KEPT)
    type_ = fact.nested_type
    if place == "top":
        type_ = fact.other_types.get("ct-image", fact.top_type)
    allowed = BASIC[row["action"]][type_ - 1]
    if softened:
        # Nothing here is clean, so where C holds nothing stays but what the Type asks for.
        allowed = KEPT if "K" in softened else EMPTY | (REMOVED if type_ > 1 else set())
    if vr == "SQ" and softened:
        return frozenset({"items kept"}) if "K" in softened else ITEMS
    return allowed | (ITEMS if vr == "SQ" and allowed & {"dummy", "uid"} else frozenset())


def done(tag: int, elements: Dataset) -> str:
    """Say what was done to a row."""
    element = elements.get(tag)
    if element is None or not (element.items or element.value):
        return "removed" if element is None else "empty"
    if element.items:
        values = [bytes(each.value) for item in element.items for each in item.values()]
        return "items kept" if any(WORD in value for value in values) else "items cleaned"
    vr, value = vr_of(tag), bytes(element.value).strip(b"\0 ")
    known = {
        MOVED.get(vr, b"no date"): "moved",
        VAULT.uid(PLANTED["UI"].decode()).encode(): "uid",
        value_of(tag): "kept",
    }
    assert value in known or WORD not in value
    return known.get(value, "dummy")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("options", OPTION_SETS, ids=" + ".join)
def test_every_row_is_followed(options: list[str], place: str) -> None:
    elements = cleaned(tuple(options), place)
    wrong = {}
    for tag, row in ROWS.items():
        allowed = frozenset({"removed"})
        if place != "private":
            allowed = asked(row, options, facts()[tag], place)
        found = done(tag, elements)
        if found not in allowed:
            wrong[row["keyword"]] = (row, found, allowed)
    assert wrong == {}


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) * len(OPTION_SETS) * len(PLACES) > 37_000
