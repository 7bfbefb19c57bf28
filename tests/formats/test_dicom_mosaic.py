"""Siemens mosaics: cut where the CSA header says, and refused where it does not."""

import struct
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import NotDicom, UnsoundSeries
from sightline.formats.csa_header import read_csa, write_csa
from sightline.formats.dicom_image import read_volume, read_volumes
from tests.formats.conftest import encode, small_ct

NIBABEL = Path(nib.__file__).parent / "nicom" / "tests" / "data"
with warnings.catch_warnings():
    # nibabel calls its DICOM readers experimental when they are imported.
    warnings.simplefilter("ignore")
    from nibabel.nicom import csareader


def csa(tags: dict[str, list[str]], *, is_new: bool = True) -> bytes:
    """Write a CSA header as the scanner does."""
    parts = [b"SV10\4\3\2\1" if is_new else b"", struct.pack("<2I", len(tags), 77)]
    first = len(next(iter(tags.values()), []))
    for name, values in tags.items():
        parts.append(
            struct.pack("<64si4s3i", name.encode(), len(values), b"FD", 4, len(values), 205)
        )
        for value in values:
            content = value.encode() + b"\0"
            length = len(content)
            lengths = (length, length, 77, length) if is_new else (length + first, 0, 0, 0)
            parts.append(struct.pack("<4i", *lengths) + content + bytes(-length % 4))
    return b"".join(parts)


WANTED = frozenset({"NumberOfImagesInMosaic", "SliceNormalVector"})
SAID = {"NumberOfImagesInMosaic": ["5"], "SliceNormalVector": ["0.0", "0.0", "1.0"]}


def mosaic(header: bytes | None, tmp_path: Path, **attributes: object) -> Path:
    """Write five slices of 4 x 6 pixels in a mosaic of 3 x 3 tiles."""
    tiles = np.arange(9 * 24, dtype="<i2").reshape(9, 4, 6)
    tiles[5:] = 0
    image = tiles.reshape(3, 3, 4, 6).transpose(0, 2, 1, 3).reshape(12, 18)
    changed = {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"],
        "Modality": "MR",
        "Rows": 12,
        "Columns": 18,
        "SpacingBetweenSlices": 7.5,
        "PixelData": image.tobytes(),
    }
    dataset = small_ct(**(changed | attributes))
    if header is not None:
        dataset.add_new((0x0029, 0x0012), "LO", "SIEMENS CSA HEADER")
        dataset.add_new((0x0029, 0x1210), "OB", header)
    path = tmp_path / "mosaic.dcm"
    path.write_bytes(encode(dataset))
    return path


@pytest.mark.parametrize("is_new", [True, False])
def test_tiles_become_slices(tmp_path: Path, is_new: bool) -> None:
    volume = read_volume([mosaic(csa(SAID, is_new=is_new), tmp_path)])
    assert np.array_equal(volume.voxels, np.arange(5 * 24).reshape(5, 4, 6))
    assert volume.geometry.spacing_mm == (7.5, 2.0, 1.0)
    # The position given is the corner of a plane of 12 x 18 pixels around the slice's centre.
    assert volume.geometry.matrix[:3, 3].tolist() == [-10 + 6.0, -20 + 8.0, 30.0]


def test_slices_that_run_against_the_normal_are_turned(tmp_path: Path) -> None:
    against = SAID | {"SliceNormalVector": ["0.0", "0.0", "-1.0"]}
    volume = read_volume([mosaic(csa(against), tmp_path)])
    assert np.array_equal(volume.voxels, np.arange(5 * 24).reshape(5, 4, 6)[::-1])
    assert volume.geometry.matrix[2, 3] == 30.0 - 4 * 7.5


@pytest.mark.parametrize(
    ("why", "header", "attributes"),
    [
        ("CSA header .* is not there", None, {}),
        ("does not say how it lies", csa({}), {}),
        ("does not say how it lies", csa(SAID | {"NumberOfImagesInMosaic": ["0"]}), {}),
        ("does not say how it lies", csa(SAID | {"NumberOfImagesInMosaic": ["many"]}), {}),
        ("does not say how it lies", csa(SAID | {"NumberOfImagesInMosaic": ["99999999"]}), {}),
        ("does not say how it lies", csa(SAID | {"SliceNormalVector": ["0", "0", "nan"]}), {}),
        ("5 slices, 13 x 18 pixels", csa(SAID), {"Rows": 13}),
        ("lie unknown mm apart", csa(SAID), {"SpacingBetweenSlices": None}),
        ("no orientation", csa(SAID), {"ImageOrientationPatient": None}),
    ],
)
def test_names_why_a_mosaic_is_no_volume(
    tmp_path: Path, why: str, header: bytes | None, attributes: dict[str, object]
) -> None:
    with pytest.raises(UnsoundSeries, match=why) as caught:
        read_volumes([mosaic(header, tmp_path, **attributes)])
    assert caught.value.hint


@pytest.mark.parametrize("name", ["csa2_b0.bin", "csa2_b1000.bin", "csa_str_valid.bin"])
def test_reads_what_nibabel_reads(name: str) -> None:
    content = (NIBABEL / name).read_bytes()
    tags = csareader.read(content)["tags"]
    expected = {key: tuple(tags[key]["items"]) for key in sorted(WANTED) if key in tags}
    read = {
        key: tuple(float(value) for value in values)
        for key, values in read_csa(content, WANTED).items()
    }
    assert read == {key: tuple(float(v) for v in values) for key, values in expected.items()}


def test_writes_what_nibabel_and_we_read() -> None:
    said = {**SAID, "B_value": ["1000"], "MosaicRefAcqTimes": ["0.0", "77.5", "155.00000001"]}
    content = write_csa(said)
    assert content == csa(said)
    tags = csareader.read(content)["tags"]
    assert {name: [float(v) for v in tags[name]["items"]] for name in said} == {
        name: [float(v) for v in values] for name, values in said.items()
    }
    assert read_csa(content, said) == {name: tuple(values) for name, values in said.items()}


def test_too_many_items_are_refused() -> None:
    with pytest.raises(NotDicom, match="broken CSA"):
        read_csa((NIBABEL / "csa_str_1001n_items.bin").read_bytes(), WANTED)


@pytest.fixture(scope="module")
def headers() -> list[bytes]:
    return [csa(SAID), csa(SAID, is_new=False), (NIBABEL / "csa2_b0.bin").read_bytes()]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_broken_headers_end_in_one_way(data: st.DataObject, headers: list[bytes]) -> None:
    content = bytearray(data.draw(st.sampled_from(headers)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(content) - 1, 600)))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        found = read_csa(bytes(content[:cut]), WANTED)
    except NotDicom as error:
        assert error.hint  # noqa: PT017 - some mutants are fine
    else:
        assert set(found) <= set(WANTED)


def test_time_points_of_mosaics_are_volumes_of_their_own(tmp_path: Path) -> None:
    paths = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(mosaic(csa(SAID), folder, AcquisitionNumber=number, InstanceNumber=number))
    series = read_volumes(paths)
    assert [volume.stack for volume in series.volumes] == ["acquisition 1", "acquisition 2"]
    assert [grid.frames for grid in series.grids] == [
        tuple((file, frame) for frame in range(5)) for file in (0, 1)
    ]
