"""The facts of the standard, and the keep list that the hub makes of them."""

from collections import Counter

from pydicom.datadict import DicomDictionary

from sightline.deid.attributes import storage_classes, table_rows
from sightline.deid.contract import RULES
from tests.deid.rules import KEEP

STRUCTURAL = {"sequence", "code", "pixels", "samples"}
# Geometry, meaning of pixels, acquisition, dose, what research measures.
NEEDED = (
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
)


def test_table_is_whole() -> None:
    rows = table_rows()
    assert len(rows) == 652
    assert {row.action for row in rows.values()} == {
        *("D", "U", "X", "Z"),
        *("X/D", "X/Z", "X/Z/D", "X/Z/U*", "Z/D"),
    }
    # How many cells of each option's column are filled.
    assert Counter(option for row in rows.values() for option in row.softened) == {
        "uids": 60,
        "device": 57,
        "institution": 10,
        "patient": 14,
        "full_dates": 165,
        "modified_dates": 165,
        "descriptors": 129,
        "structured": 3,
        "graphics": 1,
    }


def test_keep_list_agrees_with_the_data_dictionary() -> None:
    for tag, attribute in KEEP.attributes.items():
        vr, multiplicity, _, is_retired, keyword = DicomDictionary[tag]
        assert (attribute.vr, attribute.keyword) == (vr, keyword)
        # What is retired passes only where the table has a row for it.
        assert not is_retired or tag in table_rows()
        assert multiplicity.startswith(str(attribute.least))
        assert not tag >> 16 & 1


def test_every_rule_is_a_file_and_every_file_is_used() -> None:
    # Only options that the hub does not take retain a value as it was given; two rules are for
    # private attributes alone.
    used = {each.rule for each in KEEP.attributes.values()} - STRUCTURAL
    assert used == set(RULES.names()) - {"given", "csa", "ratio"}


def test_text_names_and_bytes_never_pass_unseen() -> None:
    seen = {"report_text", "story"}
    seen |= {"text", "technical", "terms", "nothing", "reader", "subject", "code", "dates", "age"}
    for attribute in KEEP.attributes.values():
        if attribute.vr in {"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"}:
            assert attribute.rule in seen, attribute.keyword
        if attribute.vr in {"OB", "OB or OW", "UN"}:
            assert attribute.rule in {"pixels", "samples", "sample", "nothing"}, attribute.keyword


def test_geometry_and_meaning_of_pixels_are_on_the_list() -> None:
    listed = {each.keyword for each in KEEP.attributes.values()}
    assert set(NEEDED) - listed == set()


def test_storage_classes_name_a_reason_or_pass() -> None:
    for uid, each in storage_classes().items():
        assert uid.startswith("1.2.840.10008.5.1.4.1.1.")
        assert each.iod
