"""Reading and writing bytes: the same content in, the same content out, or an error."""

import io
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.deid.dataset import read_file, write_dataset
from sightline.errors import NotDicom
from sightline.formats.dicom_file import part10
from tests.deid import hostile
from tests.deid.rules import KEEP

SMALL = hostile.part10(
    hostile.base() | {0x00081140: ("SQ", [{0x00081155: ("UI", b"1.2.3")}] * 3)},
    hostile.EXPLICIT,
    hostile.Canaries(),
)


def rewritten(content: bytes) -> bytes:
    parsed = read_file(content, KEEP.sequences)
    return part10(
        *write_dataset(parsed.elements, parsed.transfer_syntax_uid),
        sop_class_uid=hostile.CT,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=parsed.transfer_syntax_uid,
    )


@pytest.mark.parametrize(
    "syntax",
    [hostile.IMPLICIT, hostile.EXPLICIT, hostile.DEFLATED, hostile.BIG, hostile.RLE],
)
def test_what_is_read_is_what_is_written(syntax: str) -> None:
    canaries = hostile.Canaries()
    tree = hostile.base() | hostile.concepts(canaries) | hostile.graphics(canaries)
    content = hostile.part10(tree, syntax, canaries)
    first, second = (read_file(each, KEEP.sequences) for each in (content, rewritten(content)))
    assert first.transfer_syntax_uid == second.transfer_syntax_uid == syntax
    assert first.elements == second.elements
    assert second.trailing_bytes == 0


def test_real_files_are_read_and_written_alike(test_data: Path) -> None:
    count = 0
    for path in sorted((test_data / "dicom" / "dicom2nifti").rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if content[128:132] != b"DICM":
            continue
        count += 1
        first, second = pydicom.dcmread(path), pydicom.dcmread(io.BytesIO(rewritten(content)))
        assert [*first] == [*second]
    assert count >= 100


def test_bytes_after_the_pixels_are_in_no_element() -> None:
    parsed = read_file(SMALL, KEEP.sequences)
    assert parsed.trailing_bytes == 16
    assert len(parsed.elements) == len(hostile.base()) + 1


def test_bytes_after_an_object_without_pixels_are_an_error() -> None:
    tree = hostile.base()
    del tree[0x7FE00010]
    with pytest.raises(NotDicom):
        read_file(hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries()), KEEP.sequences)


def test_deep_nesting_is_an_error() -> None:
    tree: hostile.Tree = {}
    for _ in range(60):
        tree = {0x0040A730: ("SQ", [tree])}
    content = hostile.part10(hostile.base() | tree, hostile.EXPLICIT, hostile.Canaries())
    with pytest.raises(NotDicom, match="nest"):
        read_file(content, KEEP.sequences)


def test_value_too_long_for_its_vr_is_written_as_un() -> None:
    long = b"\\".join([b"1.5"] * 30_000)
    tree = hostile.base() | {0x30060050: ("UN", long)}
    content = rewritten(hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries()))
    assert len(read_file(content, KEEP.sequences).elements[0x30060050].value) == len(long) + 1


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_mutated_files_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(128, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(200, len(content)))
    try:
        parsed = read_file(bytes(content[:cut]), KEEP.sequences)
    except NotDicom as error:
        assert error.hint  # noqa: PT017 - some mutants are fine
        return
    written = b"".join(write_dataset(parsed.elements, parsed.transfer_syntax_uid))
    assert len(written) >= 8 * len(parsed.elements)
