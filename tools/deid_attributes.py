"""Write src/sightline/deid/attributes.csv: what the standard says of attributes that may pass.

It joins three sources: Table E.1-1 (table_e1_1.csv), the modules of the objects that pass, or that
a person may release (highdicom's copy of PS3.3), and the data dictionary (pydicom's copy of PS3.6).
Which of them do pass is a profile's business.
"""

import collections
import csv
import io
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from pydicom.datadict import DicomDictionary, keyword_dict

DEID = Path(__file__).parent.parent / "src" / "sightline" / "deid"
STANDARD = files("highdicom") / "_standard"
HEADER = """\
# What the standard says of every attribute that a profile may let pass.
# Written by tools/deid_attributes.py from table_e1_1.csv and DICOM PS3.3, PS3.6.
# kind: the rule for this kind of value; type, nested: Type at the top level and in sequences.
# other: IODs in which the top level Type differs, and sequences in which the nested one does.
"""
COLUMNS = ("tag", "keyword", "vr", "vm", "kind", "type", "nested", "other")

BY_KEYWORD = (
    {
        "PatientID": "subject",
        "PatientName": "subject",
        "PatientAge": "age",
        "ContentCreatorName": "reader",
        "PersonName": "reader",
        "VerifyingObserverName": "reader",
        "CodeValue": "code",
        "CodingSchemeDesignator": "code",
        "CodingSchemeVersion": "code",
        "CodeMeaning": "code",
        "PixelData": "pixels",
        "FloatPixelData": "pixels",
        "DoubleFloatPixelData": "pixels",
        "TimezoneOffsetFromUTC": "dates",
        "AlgorithmParameters": "text",
        "DeviceAlternateIdentifierFormat": "text",
        "FractionPattern": "text",
        "ReasonForTheRequestedProcedure": "report_text",
        "TrackingID": "text",
        "WaveformData": "samples",
    }
    | dict.fromkeys(
        (
            "AdditionalPatientHistory",
            "AdmittingDiagnosesDescription",
            "Allergies",
            "MedicalAlerts",
            "PatientComments",
            "PatientState",
            "ReasonForVisit",
            "ServiceEpisodeDescription",
        ),
        "story",
    )
    | dict.fromkeys(
        (
            "AttenuationCorrectionMethod",
            "ConvolutionKernel",
            "FilterType",
            "ImagedNucleus",
            "LUTExplanation",
            "Manufacturer",
            "ManufacturerModelName",
            "MultiCoilElementName",
            "PulseSequenceName",
            "ReceiveCoilManufacturerName",
            "ReceiveCoilName",
            "ReconstructionMethod",
            "RescaleType",
            "ScatterCorrectionMethod",
            "SequenceName",
            "SoftwareVersions",
            "StackID",
            "TransmitCoilManufacturerName",
            "TransmitCoilName",
        ),
        "technical",
    )
)
BY_VR = {
    "CS": "terms",
    "SQ": "sequence",
    "UI": "uids",
    "AS": "age",
    "AE": "nothing",
    "UR": "nothing",
    "PN": "nothing",
    **dict.fromkeys(("DA", "DT", "TM"), "dates"),
    **dict.fromkeys(("LO", "SH", "UC"), "text"),
    **dict.fromkeys(("ST", "LT", "UT"), "report_text"),
}
BYTES_THAT_ARE_NUMBERS = ("LUTData", "LookupTableData", "PointIndexList")
BYTES_THAT_ARE_ONE_NUMBER = frozenset(
    {"ChannelMinimumValue", "ChannelMaximumValue", "WaveformPaddingValue"}
)
FILE_META = 0x0002
# Why a kind of object is held that a person may release, or whose text is blackened.
RELEASABLE = frozenset({"burned_in_text_likely", "slide_label_likely"})
OPTIONAL = 3
Types = tuple[dict[str, int], dict[str, int]]


def main() -> None:
    """Write the file."""
    table = read_table()
    types = read_types(table)
    # What no module of a passing object has is optional there.
    types |= {tag: ({}, {}) for tag in table if tag not in types and tag in DicomDictionary}
    lines = io.StringIO()
    lines.write(HEADER)
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tag, (top, nested) in sorted(types.items()):
        vr, vm, _, _, keyword = DicomDictionary[tag]
        kind = kind_of(keyword, vr)
        if tag >> 16 == FILE_META or (not kind and tag not in table):
            continue
        usual, other = split_types(top, most_common(top))
        # Where the standard does not say, what a sequence needs anywhere is given; but nothing that
        # the table removes.
        strictest = OPTIONAL if is_removed(table.get(tag)) else min(nested.values(), default=3)
        strict, elsewhere = split_types(nested, strictest)
        others = " ".join(f"{place}:{type_}" for place, type_ in (*other, *elsewhere))
        row = (keyword, vr, vm, kind or "nothing", usual, strict, others)
        writer.writerow((f"{tag:08X}", *row))
    (DEID / "attributes.csv").write_text(lines.getvalue(), encoding="utf-8")


def read_table() -> dict[int, dict[str, str]]:
    """Return Table E.1-1 by tag."""
    return {int(row["tag"], 16): row for row in read_csv("table_e1_1.csv")}


def read_csv(name: str) -> Iterator[dict[str, str]]:
    """Read a data file of the room, without its comments."""
    lines = (DEID / name).read_text(encoding="utf-8").splitlines()
    return csv.DictReader(line for line in lines if not line.startswith("#"))


def read_types(table: dict[int, dict[str, str]]) -> dict[int, Types]:
    """Return, by tag, the Type at the top level by IOD, and in sequences by the sequence.

    What lies only in sequences that pass with no profile is left out. Where the table removes what
    an IOD asks for, an empty value satisfies both; that is Type 2, without a condition.
    """
    modules_of = json.loads((STANDARD / "iod_module_map.json").read_text())
    attributes_of = json.loads((STANDARD / "module_attribute_map.json").read_text())
    types: dict[int, Types] = collections.defaultdict(lambda: ({}, {}))
    for iod in passing_iods():
        for module in modules_of.get(iod, ()):
            for attribute in attributes_of[module["key"]]:
                tag = keyword_dict.get(attribute["keyword"])
                path = attribute["path"]
                if tag is None or not all(may_pass(each, table) for each in path):
                    continue
                type_ = int(attribute["type"][0])
                is_needed = is_removed(table.get(tag)) and attribute["type"] == "2"
                if not is_needed and not may_pass(attribute["keyword"], table):
                    continue
                top, nested = types[tag]
                by_place, place = (nested, path[-1]) if path else (top, iod)
                by_place[place] = min(type_, by_place.get(place, OPTIONAL))
    return types


def passing_iods() -> list[str]:
    """Return the object definitions of what passes, or may be released."""
    rows = read_csv("storage_classes.csv")
    return sorted({row["iod"] for row in rows if not row["reason"] or row["reason"] in RELEASABLE})


def is_removed(row: dict[str, str] | None) -> bool:
    """Tell whether the table removes an attribute with every option."""
    if row is None or row["action"] != "X":
        return False
    return not any(row[option] for option in row if option not in {"tag", "keyword", "action"})


def may_pass(keyword: str, table: dict[int, dict[str, str]]) -> bool:
    """Tell whether any profile lets an attribute pass."""
    tag = keyword_dict.get(keyword)
    if tag is None:
        return False
    vr, _, _, is_retired, _ = DicomDictionary[tag]
    row = table.get(tag)
    if row is None:
        return not is_retired and bool(kind_of(keyword, vr))
    return not is_removed(row)


def kind_of(keyword: str, vr: str) -> str:
    """Name the rule for a kind of value; empty for bytes of unknown meaning."""
    if keyword in BY_KEYWORD:
        return BY_KEYWORD[keyword]
    if keyword in BYTES_THAT_ARE_ONE_NUMBER:
        return "sample"
    if vr in BY_VR:
        return BY_VR[vr]
    if vr in {"OB", "OW", "OB or OW", "US or OW"}:
        return "numbers" if keyword.endswith(BYTES_THAT_ARE_NUMBERS) else ""
    return "numbers"


def most_common(types: dict[str, int]) -> int:
    """Return the Type that most places give."""
    return collections.Counter(types.values()).most_common(1)[0][0] if types else OPTIONAL


def split_types(types: dict[str, int], usual: int) -> tuple[int, list[tuple[str, int]]]:
    """Return the usual Type, and the places that give another."""
    return usual, sorted((place, type_) for place, type_ in types.items() if type_ != usual)


if __name__ == "__main__":
    main()
