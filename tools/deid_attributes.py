"""Write src/sightline/deid/attributes.csv: the attributes that may pass the door, and their rules.

It joins three sources: Table E.1-1 (table_e1_1.csv), the modules of the objects that pass
(highdicom's copy of PS3.3) and the data dictionary (pydicom's copy of PS3.6).
"""

import collections
import csv
import io
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pydicom.datadict import DicomDictionary, keyword_dict

DEID = Path(__file__).parent.parent / "src" / "sightline" / "deid"
STANDARD = files("highdicom") / "_standard"

# Kept though Table E.1-1 removes them: the part of the patient characteristics that is needed.
CHARACTERISTICS = {"PatientAge", "PatientSex", "PatientSexNeutered", "PatientSize", "PatientWeight"}
BY_KEYWORD = {
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
} | dict.fromkeys(
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
BY_VR = {
    "CS": "terms",
    "SQ": "sequence",
    "UI": "uids",
    "AS": "age",
    "AE": "nothing",
    "UR": "nothing",
    "PN": "nothing",
    **dict.fromkeys(("DA", "DT", "TM"), "dates"),
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC"), "text"),
}
# Written by the door itself, of no use once private and signed content is gone, or a story that
# no word list makes safe.
NEVER = {
    "AdditionalPatientHistory",
    "AdmittingDiagnosesDescription",
    "Allergies",
    "BurnedInAnnotation",
    "CodingSchemeIdentificationSequence",
    "ContextGroupExtensionCreatorUID",
    "ContextGroupExtensionFlag",
    "ContextGroupLocalVersion",
    "ContextGroupVersion",
    "ContextIdentifier",
    "ContextUID",
    "DataSetTrailingPadding",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "EncryptedAttributesSequence",
    "EquivalentCodeSequence",
    "GroupOfPatientsIdentificationSequence",
    "HL7StructuredDocumentReferenceSequence",
    "ICCProfile",
    "LocalNamespaceEntityID",
    "LongCodeValue",
    "LongitudinalTemporalInformationModified",
    "MACParametersSequence",
    "MappingResourceName",
    "MappingResourceUID",
    "MedicalAlerts",
    "Occupation",
    "PatientBirthDateInAlternativeCalendar",
    "PatientComments",
    "PatientDeathDateInAlternativeCalendar",
    "PatientIdentityRemoved",
    "PatientState",
    "PixelDataProviderURL",
    "PrivateDataElementCharacteristicsSequence",
    "ReasonForVisit",
    "RecognizableVisualFeatures",
    "ServiceEpisodeDescription",
    "SourcePatientGroupIdentificationSequence",
    "SpecificCharacterSet",
    "URNCodeValue",
    "UniversalEntityID",
}
# Whose text is blackened passes too.
MAY_PASS = {"", "burned_in_text_likely"}
BYTES_THAT_ARE_NUMBERS = ("LUTData", "LookupTableData", "PointIndexList")


class Row(NamedTuple):
    """A row of Table E.1-1."""

    action: str
    options: str


def main() -> None:
    """Write the file."""
    table = read_table()
    lines = io.StringIO()
    lines.write("# Every attribute that may pass the door; what is not named here is removed.\n")
    lines.write(
        "# Written by tools/deid_attributes.py from table_e1_1.csv and DICOM PS3.3, PS3.6.\n"
    )
    lines.write(
        "# type, nested: Type at the top level and in sequences, as resolved for the rule.\n"
    )
    lines.write("# other: IODs in which the top level Type differs, IOD:TYPE.\n")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("tag", "keyword", "vr", "vm", "rule", "type", "nested", "other"))
    for tag, (top, nested) in sorted(read_types(table).items()):
        vr, vm, _, _, keyword = DicomDictionary[tag]
        rule = rule_of_keyword(keyword, table)
        if not rule:
            continue
        usual, other = split_types(top)
        action = table[tag].action if tag in table else ""
        writer.writerow(
            (
                f"{tag:08X}",
                keyword,
                vr,
                vm,
                rule,
                resolve(action, usual),
                resolve(action, min(nested, default=3)),
                " ".join(f"{iod}:{resolve(action, type_)}" for iod, type_ in other),
            )
        )
    (DEID / "attributes.csv").write_text(lines.getvalue(), encoding="utf-8")


def read_table() -> dict[int, Row]:
    """Return Table E.1-1 by tag."""
    return {
        int(row["tag"], 16): Row(row["action"], row["options"])
        for row in read_csv("table_e1_1.csv")
    }


def read_csv(name: str) -> Iterator[dict[str, str]]:
    """Read a data file of the room, without its comments."""
    lines = (DEID / name).read_text(encoding="utf-8").splitlines()
    return csv.DictReader(line for line in lines if not line.startswith("#"))


def read_types(table: dict[int, Row]) -> dict[int, tuple[dict[str, int], set[int]]]:
    """Return, by tag, the Type at the top level by IOD and the Types met in sequences.

    What lies only in sequences that never pass is left out.
    """
    modules_of = json.loads((STANDARD / "iod_module_map.json").read_text())
    attributes_of = json.loads((STANDARD / "module_attribute_map.json").read_text())
    types: dict[int, tuple[dict[str, int], set[int]]] = collections.defaultdict(lambda: ({}, set()))
    passing = sorted(
        {row["iod"] for row in read_csv("storage_classes.csv") if row["reason"] in MAY_PASS}
    )
    for iod in passing:
        for module in modules_of.get(iod, ()):  # of retired kinds the standard says nothing
            for attribute in attributes_of[module["key"]]:
                tag = keyword_dict.get(attribute["keyword"])
                path = attribute["path"]
                if tag is None or not all(rule_of_keyword(each, table) for each in path):
                    continue
                type_ = int(attribute["type"][0])
                top, nested = types[tag]
                if path:
                    nested.add(type_)
                else:
                    top[iod] = min(type_, top.get(iod, 3))
    return types


def rule_of_keyword(keyword: str, table: dict[int, Row]) -> str:
    """Name the rule of an attribute; empty where it never passes."""
    tag = keyword_dict.get(keyword)
    if tag is None or keyword in NEVER or keyword.startswith("Issuer"):
        return ""
    vr, _, _, is_retired, _ = DicomDictionary[tag]
    return "" if is_retired else rule_of(keyword, vr, table.get(tag))


def rule_of(keyword: str, vr: str, row: Row | None) -> str:
    """Name the rule by Table E.1-1, or by the kind of value for what the table does not name."""
    by_kind = BY_KEYWORD.get(keyword) or rule_of_vr(keyword, vr)
    if row is None or (by_kind in {"subject", "reader"}) or keyword in CHARACTERISTICS:
        return by_kind
    if set(row.options) & set("DST") or "U" in row.action:
        return by_kind
    if row.action == "X":
        return ""
    return "sequence" if vr == "SQ" and row.action == "D" else "nothing"


def rule_of_vr(keyword: str, vr: str) -> str:
    """Name the rule for a kind of value; empty for bytes of unknown meaning."""
    if vr in BY_VR:
        return BY_VR[vr]
    if vr in {"OB", "OW", "OB or OW", "US or OW"}:
        return "numbers" if keyword.endswith(BYTES_THAT_ARE_NUMBERS) else ""
    return "numbers"


def split_types(top: dict[str, int]) -> tuple[int, list[tuple[str, int]]]:
    """Return the Type that most IODs give, and the IODs that give another."""
    if not top:
        return 3, []
    usual = collections.Counter(top.values()).most_common(1)[0][0]
    return usual, sorted((iod, type_) for iod, type_ in top.items() if type_ != usual)


def resolve(action: str, type_: int) -> int:
    """Return the Type a rule must satisfy: a compound action takes the mildest the IOD allows."""
    if action == "D":
        return 1
    if action.startswith("Z"):
        return min(type_, 2) if "D" in action else 2
    if action == "X/Z":
        return max(type_, 2)
    if action == "X/D":
        return 3 if type_ == 3 else 1  # noqa: PLR2004 - Types
    return type_


if __name__ == "__main__":
    main()
