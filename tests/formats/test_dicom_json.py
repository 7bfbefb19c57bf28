"""Metadata and frames for the web: the DICOM JSON model, and pixels exactly as stored."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import without_pixels
from sightline.formats.dicom_json import read_bulk, read_frames, read_metadata

Make = Callable[..., bytes]
SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
ROOT = "https://hospital.example/dicomweb/instances/1/bulk"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_describes_an_instance_without_its_pixels(make_ct: Make, syntax: str) -> None:
    model = read_metadata(make_ct(syntax), ROOT)
    assert model["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Probe^Ä"}]}
    assert model["00280010"] == {"vr": "US", "Value": [4]}
    assert model["00280030"] == {"vr": "DS", "Value": [2.0, 1.0]}
    assert model["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{ROOT}/7FE00010"}
    assert not [tag for tag in model if tag.startswith("0002")]
    json.dumps(model, allow_nan=False)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_without_its_pixels_an_instance_is_described_alike(make_ct: Make, syntax: str) -> None:
    content = make_ct(syntax, PixelData=bytes(3000), DigitalSignatureDateTime="20260102")
    assert read_metadata(without_pixels(content), ROOT) == read_metadata(content, ROOT)
    assert (len(without_pixels(content)) < len(content) - 2000) == (
        syntax != DeflatedExplicitVRLittleEndian
    )


def test_every_real_file_is_described_alike_without_its_pixels(test_data: Path) -> None:
    told = 0
    for path in sorted((test_data / "dicom").rglob("*.dcm")):
        content = path.read_bytes()
        try:
            whole = read_metadata(content, ROOT)
        except NotDicom:
            continue
        rest = read_metadata(without_pixels(content), ROOT)
        if path.name == "SC_rgb_jpeg.dcm":  # it says explicit VR and is not: OB or OW is a guess
            assert rest.pop("7FE00010") != whole.pop("7FE00010")
        assert rest == whole, path.name
        told += 1
    assert told > 50


def test_equal_bytes_are_described_by_their_character_set(make_ct: Make) -> None:
    """Elements are remembered by their bytes, and these mean two things."""
    greek = make_ct(
        ExplicitVRLittleEndian, SpecificCharacterSet="ISO_IR 126", PatientName="\u03a7^X"
    )
    latin = greek.replace(b"ISO_IR 126", b"ISO_IR 100")
    for content, name in ((greek, "\u03a7^X"), (latin, "\u00d7^X"), (greek, "\u03a7^X")):
        model = read_metadata(content, ROOT)
        assert model["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": name}]}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_native_frames_are_little_endian(make_ct: Make, syntax: str) -> None:
    stored = np.arange(48, dtype=">i2" if syntax == ExplicitVRBigEndian else "<i2")
    frames = read_frames(make_ct(syntax, NumberOfFrames=2, PixelData=stored.tobytes()))
    assert frames.transfer_syntax_uid == ExplicitVRLittleEndian
    expected = np.arange(48, dtype="<i2")
    assert frames.frames == (expected[:24].tobytes(), expected[24:].tobytes())


def test_frames_of_single_bits_each_begin_on_a_byte(make_ct: Make) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 15), dtype=np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    content = make_ct(
        Rows=3,
        Columns=5,
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        NumberOfFrames=3,
        PixelData=packed,
    )
    for frame, expected in zip(read_frames(content).frames, bits, strict=True):
        unpacked = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")
        assert np.array_equal(unpacked[:15], expected)


def test_long_binary_values_are_named_and_found(make_ct: Make) -> None:
    palette, inner = bytes(range(256)) * 8, b"\x01\x02" * 700
    item = Dataset()
    item.add_new(0x00420011, "OB", inner)
    content = make_ct(RedPaletteColorLookupTableData=palette, ReferencedImageSequence=[item])
    model = read_metadata(content, ROOT)
    outer_uri = model["00281201"]["BulkDataURI"]
    inner_uri = model["00081140"]["Value"][0]["00420011"]["BulkDataURI"]
    assert read_bulk(content, outer_uri.removeprefix(f"{ROOT}/")) == palette
    assert read_bulk(content, inner_uri.removeprefix(f"{ROOT}/")) == inner
    assert len(read_bulk(content, "7FE00010")) == 48


def test_short_binary_values_stay_inline(make_ct: Make) -> None:
    model = read_metadata(make_ct(RedPaletteColorLookupTableData=b"\x01\x02"), ROOT)
    assert model["00281201"] == {"vr": "OW", "InlineBinary": "AQI="}


@pytest.mark.parametrize("path", ["00100020", "7FE10010", "x", "00081140/0", "00081140/9/00420011"])
def test_other_paths_are_refused(make_ct: Make, path: str) -> None:
    with pytest.raises(NotDicom):
        read_bulk(make_ct(), path)


def test_values_that_json_lacks_become_null(make_ct: Make) -> None:
    content = make_ct(EffectiveDuration=float("nan"))
    assert read_metadata(content, ROOT)["00180072"] == {"vr": "DS", "Value": [None]}


@pytest.mark.parametrize(
    "attributes", [{"Rows": 5}, {"NumberOfFrames": 2**31 - 1}, {"BitsAllocated": 64}, {"Rows": 0}]
)
def test_frames_that_do_not_fit_are_refused(make_ct: Make, attributes: dict[str, int]) -> None:
    with pytest.raises(NotDicom, match="do not fit"):
        read_frames(make_ct(**attributes))


def test_agrees_with_pydicom_on_real_files(test_data: Path) -> None:
    """Frames of every transfer syntax, as pydicom splits them; compressed ones as they are."""
    syntaxes = set()
    for path in sorted((test_data / "dicom" / "pydicom" / "test_files").glob("*.dcm")):
        content = path.read_bytes()
        try:
            frames = read_frames(content)
        except NotDicom:
            continue
        dataset = pydicom.dcmread(io.BytesIO(content))
        syntaxes.add(frames.transfer_syntax_uid)
        assert len(frames.frames) == int(dataset.get("NumberOfFrames") or 1), path.name
        if frames.transfer_syntax_uid != ExplicitVRLittleEndian:
            first = get_frame(dataset.PixelData, 0, number_of_frames=len(frames.frames))
            assert frames.frames[0] == first, path.name
        elif dataset.BitsAllocated > 1 and dataset.PhotometricInterpretation != "YBR_FULL_422":
            values = dataset.pixel_array.astype(dataset.pixel_array.dtype.newbyteorder("<"))
            if dataset.get("PlanarConfiguration", 0) == 0:
                assert b"".join(frames.frames) == values.tobytes(), path.name
        json.dumps(read_metadata(content, ROOT), allow_nan=False)
    assert len(syntaxes) >= 7


def test_mutants_of_real_files_end_in_a_value_or_in_not_dicom(test_data: Path) -> None:
    chance = random.Random(3)  # noqa: S311 - a seeded test, no secret
    folder = test_data / "dicom" / "pydicom" / "test_files"
    for name in ("JPEG2000.dcm", "MR_small_RLE.dcm", "test-SR.dcm", "rtplan.dcm", "image_dfl.dcm"):
        original = (folder / name).read_bytes()
        for _ in range(40):
            mutant = bytearray(original)
            for _ in range(chance.randint(1, 10)):
                mutant[chance.randrange(132, len(mutant))] = chance.randrange(256)
            for read in (read_frames, _describe):
                try:
                    read(bytes(mutant))
                except NotDicom as error:
                    assert error.hint  # noqa: PT017 - most mutants are fine


def _describe(content: bytes) -> object:
    return json.dumps(read_metadata(content, ROOT), allow_nan=False)
