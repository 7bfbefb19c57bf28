"""Pixels: every lossless transfer syntax gives the acquired integers back, bit for bit."""

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from sightline.errors import NotDicom
from sightline.formats.dicom_image import read_volume
from sightline.formats.dicom_instance import open_instance
from sightline.phantoms.enhanced import write_enhanced
from sightline.phantoms.people import visit
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume
from tests.formats.conftest import encode, small_ct

MakeCt = Callable[..., bytes]
SIZE = 48
# Pixel types that occur: bits allocated, bits stored, signed.
PIXELS = {
    "unsigned 16": (16, 16, False),
    "signed 16": (16, 16, True),
    "unsigned 12": (16, 12, False),
    "signed 12": (16, 12, True),
    "unsigned 8": (8, 8, False),
}


def phantom(kind: str) -> tuple[np.ndarray, dict[str, object]]:
    """A ring on a slope with noise, over the whole range of the type, and its attributes."""
    allocated, stored, is_signed = PIXELS[kind]
    low = -(1 << stored - 1) if is_signed else 0
    high = low + (1 << stored) - 1
    y, x = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)
    ring = np.exp(-((np.hypot(x - 0.5, y - 0.5) - 0.3) ** 2) / 0.004)
    values = low + (high - low) * (0.5 * ring + 0.4 * x)
    noise = np.random.default_rng(1).normal(0, (high - low) * 0.01, values.shape)
    pixels = np.clip(np.rint(values + noise), low, high).astype(
        f"{'i' if is_signed else 'u'}{allocated // 8}"
    )
    pixels[0, :2] = low, high
    return pixels, {
        "Rows": SIZE,
        "Columns": SIZE,
        "BitsAllocated": allocated,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "PixelRepresentation": int(is_signed),
        "PixelData": pixels.tobytes(),
    }


def dcmtk(program: str, *options: str) -> Callable[[bytes, Path], bytes]:
    def compress(content: bytes, folder: Path) -> bytes:
        if shutil.which(program) is None:
            pytest.skip(f"{program} of DCMTK is not installed")
        (folder / "in.dcm").write_bytes(content)
        command = [program, *options, folder / "in.dcm", folder / "out.dcm"]
        subprocess.run(command, check=True, capture_output=True)
        return (folder / "out.dcm").read_bytes()

    return compress


def openjpeg(content: bytes, _: Path) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    with io.BytesIO() as file:
        dataset.save_as(file)
        return file.getvalue()


SYNTAXES: dict[str, tuple[str, Callable[[bytes, Path], bytes]]] = {
    "implicit": (ImplicitVRLittleEndian, dcmtk("dcmconv", "+ti")),
    "big endian": (ExplicitVRBigEndian, dcmtk("dcmconv", "+tb")),
    "deflated": (DeflatedExplicitVRLittleEndian, dcmtk("dcmconv", "+td")),
    "RLE": (RLELossless, dcmtk("dcmcrle")),
    "JPEG lossless 14": (JPEGLossless, dcmtk("dcmcjpeg", "+el", "+sv", "6")),
    "JPEG lossless SV1": (JPEGLosslessSV1, dcmtk("dcmcjpeg", "+e1")),
    "JPEG-LS": (JPEGLSLossless, dcmtk("dcmcjpls", "+el")),
    "JPEG 2000": (JPEG2000Lossless, openjpeg),
}


@pytest.mark.parametrize("kind", sorted(PIXELS))
@pytest.mark.parametrize("syntax", sorted(SYNTAXES))
def test_lossless_is_bit_exact(tmp_path: Path, syntax: str, kind: str) -> None:
    uid, compress = SYNTAXES[syntax]
    pixels, attributes = phantom(kind)
    dataset = small_ct(**attributes)
    dataset["PixelData"].VR = "OW"
    content = compress(encode(dataset), tmp_path)
    assert pydicom.dcmread(io.BytesIO(content)).file_meta.TransferSyntaxUID == uid
    decoded = open_instance(content).decode()
    assert decoded.dtype == pixels.dtype
    assert np.array_equal(decoded[0], pixels)


@pytest.mark.parametrize("syntax", sorted(SYNTAXES))
def test_multi_frame_images_are_bit_exact(tmp_path: Path, syntax: str) -> None:
    pixels, _ = phantom("signed 16")
    written = write_enhanced(
        Volume(
            voxels=np.stack([pixels, pixels[::-1], pixels.T]),
            geometry=Geometry.from_affine((3, SIZE, SIZE), np.diag([2.0, 1, 1, 1])[[2, 1, 0, 3]]),
            modality="MR",
        ),
        tmp_path / "series",
        visit=visit(1),
    )
    uid, compress = SYNTAXES[syntax]
    path = tmp_path / "compressed.dcm"
    path.write_bytes(compress(written.files[0].read_bytes(), tmp_path))
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == uid
    volume = read_volume([path])
    assert np.array_equal(volume.voxels, written.volume.voxels)
    assert volume.geometry.is_same_grid(written.volume.geometry, tolerance_mm=1e-6)


HTJ2K = Path(__file__).parent.parent / "data" / "htj2k"


@pytest.mark.parametrize("uid", [HTJ2KLossless, HTJ2KLosslessRPCL])
@pytest.mark.parametrize("kind", sorted(PIXELS))
def test_high_throughput_jpeg_2000_is_bit_exact(kind: str, uid: str) -> None:
    """The code streams were made once with OpenJPH (tests/data/htj2k/README.md)."""
    pixels, attributes = phantom(kind)
    streams = json.loads((HTJ2K / "streams.json").read_text())
    stream = base64.b64decode(streams[kind])
    dataset = small_ct(**attributes)
    dataset.PixelData = pydicom.encaps.encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    decoded = open_instance(encode(dataset, uid)).decode()
    assert decoded.dtype == pixels.dtype
    assert np.array_equal(decoded[0], pixels)


VARIANTS = {
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm",
}


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_variants_of_a_real_image_equal_it(test_data: Path, name: str) -> None:
    folder = test_data / "dicom" / "pydicom" / "test_files"
    assert {path.name for path in folder.glob("MR_small_*.dcm")} == VARIANTS
    original, variant = (read_volume([folder / each]) for each in ("MR_small.dcm", name))
    assert variant.voxels.dtype == original.voxels.dtype
    assert np.array_equal(variant.voxels, original.voxels)
    assert variant.geometry == original.geometry
    assert (variant.slope, variant.intercept) == (original.slope, original.intercept)


def test_bits_beside_the_stored_ones_are_no_value(make_ct: MakeCt) -> None:
    """Old images keep an overlay above the stored bits, or leave the sign out of them."""
    values = np.arange(-12, 12, dtype=np.int16)
    overlay = (np.arange(24) % 2).astype(np.uint16) << 12
    unsigned = (np.arange(24, dtype=np.uint16) | overlay).tobytes()
    bits = {"BitsStored": 12, "HighBit": 11}
    read = open_instance(make_ct(PixelData=unsigned, PixelRepresentation=0, **bits)).decode()
    assert read.ravel().tolist() == list(range(24))
    cut = (values.astype(np.uint16) & 0xFFF).tobytes()
    read = open_instance(make_ct(PixelData=cut, PixelRepresentation=1, **bits)).decode()
    assert read.ravel().tolist() == values.tolist()


def test_bits_that_stand_higher_are_moved_down(make_ct: MakeCt) -> None:
    values = np.arange(24, dtype=np.uint16)
    content = make_ct(
        PixelData=(values << 4 | 0xF).tobytes(),
        BitsStored=12,
        HighBit=15,
        PixelRepresentation=0,
    )
    assert open_instance(content).decode().ravel().tolist() == values.tolist()


@pytest.mark.parametrize(
    "bits", [{"BitsStored": 17, "HighBit": 16}, {"BitsStored": 12, "HighBit": 10}]
)
def test_bits_that_cannot_be_are_refused(make_ct: MakeCt, bits: dict[str, int]) -> None:
    with pytest.raises(NotDicom, match="bits stored below bit"):
        open_instance(make_ct(**bits)).decode()


def test_a_broken_code_stream_is_refused(tmp_path: Path) -> None:
    pixels, attributes = phantom("unsigned 16")
    assert pixels.any()
    whole = openjpeg(encode(small_ct(**attributes), ExplicitVRLittleEndian), tmp_path)
    dataset = pydicom.dcmread(io.BytesIO(whole))
    stream = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(len(stream))])
    with io.BytesIO() as file:
        dataset.save_as(file)
        content = file.getvalue()
    with pytest.raises(NotDicom, match="decode the pixels"):
        open_instance(content).decode()
