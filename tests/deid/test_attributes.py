"""The keep list against Table E.1-1: nothing the table removes may pass, all else as it says."""

import csv
from collections.abc import Iterator

import pytest
from pydicom.datadict import DicomDictionary

from sightline.deid.attributes import Attribute, attributes, read_lines, storage_classes
from sightline.deid.contract import RULES

TABLE = {int(row["tag"], 16): row for row in csv.DictReader(read_lines("table_e1_1.csv"))}
KEPT_CHARACTERISTICS = {
    "PatientAge",
    "PatientSex",
    "PatientSexNeutered",
    "PatientSize",
    "PatientWeight",
}
READERS = {"ContentCreatorName", "PersonName", "VerifyingObserverName"}
STRUCTURAL = {"sequence", "code", "pixels"}


def rows() -> Iterator[tuple[int, str, str, str]]:
    for tag, row in TABLE.items():
        yield tag, row["keyword"], row["action"], row["options"]


def test_table_is_whole() -> None:
    assert len(TABLE) == 652
    assert {row["action"] for row in TABLE.values()} == {
        *("D", "U", "X", "Z"),
        *("X/D", "X/Z", "X/Z/D", "X/Z/U*", "Z/D"),
    }


@pytest.mark.parametrize(("tag", "keyword", "action", "options"), [*rows()])
def test_row_is_followed(tag: int, keyword: str, action: str, options: str) -> None:
    attribute = attributes().get(tag)
    if attribute is None:
        return  # Removing is never less than the table asks.
    if keyword in KEPT_CHARACTERISTICS:
        assert "P" in options
    elif keyword in READERS or keyword in {"PatientID", "PatientName"}:
        assert attribute.rule in {"reader", "subject"}
        assert action in {"D", "Z", "Z/D"}
    elif "U" in action:
        assert attribute.rule == ("sequence" if attribute.vr == "SQ" else "uids")
    elif "D" in options:
        assert attribute.rule == "dates"
    elif "T" in options or "S" in options:
        assert attribute.rule in {"text", "report_text", "story", "sequence"}
    else:
        assert action != "X"
        assert attribute.rule == "nothing" or (attribute.rule, attribute.vr) == ("sequence", "SQ")
        assert _is_strict_enough(attribute, action)


def _is_strict_enough(attribute: Attribute, action: str) -> bool:
    """A dummy where the table asks for one, an empty value where it asks for that."""
    types = {attribute.top_type, attribute.nested_type, *attribute.other_types.values()}
    if action == "D" and attribute.rule == "nothing":
        return types == {1}
    return max(types) <= 2 if action in {"Z", "Z/D"} else True


def test_keep_list_agrees_with_the_data_dictionary() -> None:
    for tag, attribute in attributes().items():
        vr, multiplicity, _, is_retired, keyword = DicomDictionary[tag]
        assert (attribute.vr, attribute.keyword) == (vr, keyword)
        assert not is_retired
        assert multiplicity.startswith(str(attribute.least))
        assert not tag >> 16 & 1


def test_every_rule_is_a_file_and_every_file_is_used() -> None:
    assert {each.rule for each in attributes().values()} - STRUCTURAL == set(RULES.names())


def test_text_names_and_bytes_never_pass_unseen() -> None:
    seen = {"report_text", "story"}
    seen |= {"text", "technical", "terms", "nothing", "reader", "subject", "code", "dates", "age"}
    for attribute in attributes().values():
        if attribute.vr in {"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"}:
            assert attribute.rule in seen, attribute.keyword
        if attribute.vr in {"OB", "OB or OW", "UN"}:
            assert attribute.rule == "pixels", attribute.keyword


def test_geometry_and_meaning_of_pixels_are_on_the_list() -> None:
    needed = [
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "NumberOfFrames",
        "PixelSpacing",
        "ImagePositionPatient",
        "SliceLocation",
        "ImageOrientationPatient",
        "SliceThickness",
        "SpacingBetweenSlices",
        "RescaleSlope",
        "RescaleIntercept",
        "RescaleType",
        "WindowCenter",
        "WindowWidth",
        "FrameOfReferenceUID",
        "PixelPaddingValue",
        "ImageType",
        "LossyImageCompression",
        "LossyImageCompressionRatio",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "DimensionIndexSequence",
        "DimensionIndexValues",
        "SegmentSequence",
        "ReferencedSeriesSequence",
        "DerivationImageSequence",
        "SourceImageSequence",
        "KVP",
        "Exposure",
        "XRayTubeCurrent",
        "ConvolutionKernel",
        "GantryDetectorTilt",
        "ReconstructionDiameter",
        "CTDIvol",
        "RepetitionTime",
        "EchoTime",
        "InversionTime",
        "FlipAngle",
        "MagneticFieldStrength",
        "DiffusionBValue",
        "DiffusionGradientOrientation",
        "ScanningSequence",
        "SequenceVariant",
        "EchoTrainLength",
        "PixelBandwidth",
        "RadionuclideTotalDose",
        "RadionuclideHalfLife",
        "RadiopharmaceuticalStartTime",
        "Units",
        "DecayCorrection",
        "DecayFactor",
        "FrameReferenceTime",
        "PatientWeight",
        "PatientSize",
        "ContourData",
        "ROIContourSequence",
        "DoseGridScaling",
        "DVHData",
        "MeasuredValueSequence",
        "NumericValue",
        "ContentSequence",
        "RealWorldValueMappingSequence",
        "RealWorldValueSlope",
        "MatrixRegistrationSequence",
    ]
    listed = {each.keyword for each in attributes().values()}
    assert set(needed) - listed == set()


def test_storage_classes_name_a_reason_or_pass() -> None:
    for uid, each in storage_classes().items():
        assert uid.startswith("1.2.840.10008.5.1.4.1.1.")
        assert each.iod
