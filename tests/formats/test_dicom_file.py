"""What the catalog keeps of a file, from good, odd, broken and hostile bytes."""

import dataclasses
import io
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import dataset_offset, open_elements
from sightline.formats.dicom_file import part10, read_header
from sightline.formats.dicom_json import read_frames, read_metadata

Make = Callable[..., bytes]
SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_reads_the_same_header_in_every_encoding(make_ct: Make, syntax: str) -> None:
    header = read_header(make_ct(syntax))
    assert header.transfer_syntax_uid == syntax
    assert header.patient.name == "Probe^Ä"
    assert header.patient.patient_id == "PHANTOM-1"
    assert (header.rows, header.columns, header.frames) == (4, 6, 1)
    assert (header.study_date, header.modality) == ("20240131", "CT")
    assert (header.series_number, header.instance_number) == (7, 1)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"StudyDate": "202001"}, {"study_date": ""}),
        ({"StudyDate": "20240101-20240131"}, {"study_date": ""}),
        ({"StudyDate": "2024.01.31"}, {"study_date": "20240131"}),
        ({"StudyTime": "12:30:01"}, {"study_time": "123001"}),
        ({"StudyTime": "noon"}, {"study_time": ""}),
        ({"AccessionNumber": None}, {"accession_number": ""}),
        ({"SeriesDescription": "  chest\t"}, {"series_description": "chest"}),
    ],
)
def test_malformed_optional_values_are_empty(
    make_ct: Make, written: dict[str, str | None], read: dict[str, str]
) -> None:
    header = read_header(make_ct(**written))
    assert {name: getattr(header, name) for name in read} == read


def test_no_pixels_no_frames(make_ct: Make) -> None:
    content = make_ct()
    dataset = pydicom.dcmread(io.BytesIO(content))
    for name in ("Rows", "Columns", "PixelData", "InstanceNumber"):
        delattr(dataset, name)
    with io.BytesIO() as file:
        dataset.save_as(file)
        header = read_header(file.getvalue())
    assert (header.rows, header.columns, header.frames) == (None, None, None)
    assert header.instance_number is None


def test_missing_and_malformed_uids_are_refused(make_ct: Make) -> None:
    for uid, word in (("", "missing"), ("1.2/../../x", "malformed")):
        content = make_ct().replace(
            b"\x20\x00\x0d\x00UI" + struct.pack("<H", 28) + b"1.2.826.0.1.3680043.10.999.1",
            b"\x20\x00\x0d\x00UI" + struct.pack("<H", len(uid)) + uid.encode(),
        )
        with pytest.raises(NotDicom, match=f"study_uid is {word}"):
            read_header(content)


def test_part10_keeps_the_dataset_and_reads_back(make_ct: Make) -> None:
    for syntax in SYNTAXES:
        original = make_ct(syntax)
        dataset = original[dataset_offset(original) :]
        header = read_header(original)
        wrapped = part10(
            dataset,
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.instance_uid,
            transfer_syntax_uid=syntax,
        )
        assert wrapped[dataset_offset(wrapped) :] == dataset
        again = read_header(wrapped)
        assert dataclasses.replace(again, pixels=header.pixels) == header
        if again.pixels is not None and header.pixels is not None:
            (start, length), (was_start, was_length) = again.pixels, header.pixels
            there = wrapped[start : start + length]
            assert there == original[was_start : was_start + was_length]
        meta = pydicom.dcmread(io.BytesIO(wrapped)).file_meta
        assert meta.MediaStorageSOPInstanceUID == header.instance_uid
        assert meta.FileMetaInformationGroupLength == dataset_offset(wrapped) - 144


def test_agrees_with_pydicom_on_real_files(test_data: Path) -> None:
    """Names in sixteen character sets, and files of many makers."""
    agreed = 0
    for path in sorted((test_data / "dicom" / "pydicom").rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        try:
            header = read_header(content)
        except NotDicom:
            continue
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        assert header.patient.name == str(dataset.get("PatientName", "")), path.name
        assert header.instance_uid == dataset.SOPInstanceUID
        assert header.rows == dataset.get("Rows")
        assert header.columns == dataset.get("Columns")
        assert header.study_date == str(dataset.get("StudyDate") or "").replace(".", "")
        assert header.series_description == dataset.get("SeriesDescription", "")
        agreed += 1
    assert agreed > 90


def test_refuses_cut_real_files(test_data: Path) -> None:
    for name in ("MR_truncated.dcm", "rtplan_truncated.dcm", "meta_missing_tsyntax.dcm"):
        with pytest.raises(NotDicom):
            read_header((test_data / "dicom" / "pydicom" / "test_files" / name).read_bytes())


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(132), bytes(128) + b"DICM", b"x" * 4096])
def test_refuses_what_is_no_dicom(content: bytes) -> None:
    with pytest.raises(NotDicom) as caught:
        read_header(content)
    assert caught.value.hint


def test_refuses_every_cut_within_an_element(make_ct: Make) -> None:
    content = make_ct()
    ends = {element.start + element.length for element in open_elements(content)}
    for length in range(dataset_offset(content) + 1, len(content)):
        if length not in ends:
            with pytest.raises(NotDicom):
                read_header(content[:length])


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("tail", [b"FILLED UP BY A SENDER", b"\xff" * 40, bytes(3), b"\x01" * 5000])
def test_bytes_after_the_pixels_are_passed_over(make_ct: Make, syntax: str, tail: bytes) -> None:
    content = make_ct(syntax)
    if syntax == DeflatedExplicitVRLittleEndian:
        start = dataset_offset(content)
        inflated = zlib.decompress(content[start:], -zlib.MAX_WBITS)
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        filled = content[:start] + deflater.compress(inflated + tail) + deflater.flush()
    else:
        filled = content + tail
    assert read_header(filled) == read_header(content)
    if syntax != DeflatedExplicitVRLittleEndian:
        assert read_frames(filled) == read_frames(content)


def test_bytes_after_a_dataset_without_pixels_are_refused(make_ct: Make) -> None:
    content = make_ct()
    (pixels,) = (each for each in open_elements(content) if each.tag == 0x7FE00010)
    report = content[: pixels.start - 12]
    assert read_header(report).pixels is None
    with pytest.raises(NotDicom):
        read_header(report + b"FILLED UP BY A SENDER")


@given(st.binary(max_size=300))
def test_never_raises_anything_else(tail: bytes) -> None:
    for syntax in SYNTAXES[:3]:
        start = part10(b"", sop_class_uid="1.2", sop_instance_uid="1.3", transfer_syntax_uid=syntax)
        with pytest.raises(NotDicom):
            read_header(start + tail)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_mutants_end_in_a_value_or_in_not_dicom(make_ct: Make, syntax: str) -> None:
    chance = random.Random(20240131)  # noqa: S311 - a seeded test, no secret
    original = make_ct(syntax)
    for _ in range(250):
        mutant = bytearray(original)
        for _ in range(chance.randint(1, 6)):
            mutant[chance.randrange(132, len(mutant))] = chance.randrange(256)
        for read in (read_header, read_frames, _describe):
            try:
                read(bytes(mutant))
            except NotDicom as error:
                assert error.hint  # noqa: PT017 - most mutants are fine


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_five_thousand_mutated_headers_each(make_ct: Make, syntax: str) -> None:
    chance = random.Random(42)  # noqa: S311 - a seeded test, no secret
    original = make_ct(syntax)
    slowest_s = 0.0
    for _ in range(5000):
        mutant = bytearray(original)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(132, len(mutant))
            mutant[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        start = time.monotonic()
        try:
            read_header(bytes(mutant))
        except NotDicom as error:
            assert error.hint  # noqa: PT017 - some mutants are fine
        slowest_s = max(slowest_s, time.monotonic() - start)
    assert slowest_s < 5


def _describe(content: bytes) -> object:
    return read_metadata(content, "bulk")


def test_a_deflate_bomb_is_refused_without_filling_memory() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = bytes(1 << 20)
    bomb = b"".join(deflater.compress(block) for _ in range(300)) + deflater.flush()
    content = part10(
        bomb,
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        transfer_syntax_uid=DeflatedExplicitVRLittleEndian,
    )
    _refused_cheaply(content)


@pytest.mark.parametrize("is_defined", [True, False])
def test_a_nesting_bomb_is_refused(is_defined: bool) -> None:
    dataset = b""
    for _ in range(400):
        length = len(dataset) if is_defined else 0xFFFFFFFF
        item = struct.pack("<HHL", 0xFFFE, 0xE000, length) + dataset
        item += b"" if is_defined else struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
        length = len(item) if is_defined else 0xFFFFFFFF
        dataset = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, length) + item
        dataset += b"" if is_defined else struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    _refused_cheaply(_explicit(dataset))


def test_an_element_that_claims_four_gigabytes_is_refused() -> None:
    _refused_cheaply(_explicit(struct.pack("<HH2sHL", 0x0008, 0x0005, b"UN", 0, 0xFFFFFFF0)))


def test_overlapping_sequences_do_not_walk_back() -> None:
    inner = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 16)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 8)
    outer = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, len(item) + len(inner) - 4)
    with pytest.raises(NotDicom):
        list(open_elements(_explicit(outer + item + inner + bytes(64))))


def _explicit(dataset: bytes) -> bytes:
    return part10(
        dataset,
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def _refused_cheaply(content: bytes) -> None:
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(NotDicom):
        read_header(content)
    seconds = time.monotonic() - start
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 2
    assert peak_bytes < 64 << 20
