"""The door to pydicom: whatever it and its decoders raise becomes one of our errors."""

import inspect
import struct
from collections.abc import Callable
from pathlib import Path

import pydicom.errors
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from sightline.errors import BadFile, NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom
from sightline.formats.dicom_image import read_volume

FOREIGN = [kind for _, kind in inspect.getmembers(pydicom.errors, inspect.isclass)]


@pytest.mark.parametrize(
    "kind",
    [
        *[kind for kind in FOREIGN if issubclass(kind, Exception)],
        RecursionError,
        UnicodeError,
        KeyError,
        struct.error,
        OverflowError,
        NotImplementedError,
    ],
)
def test_foreign_errors_become_ours_without_their_words(kind: type[Exception]) -> None:
    with pytest.raises(NotDicom) as caught, broken_values_are_not_dicom("read it"):
        raise kind("Doe^Jane")
    assert kind.__name__ in caught.value.problem
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError, AssertionError])
def test_what_is_no_fault_of_the_file_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), broken_values_are_not_dicom("read it"):
        raise kind


def test_our_own_errors_pass() -> None:
    ours = BadFile("another grid", hint="Export it again.")
    with pytest.raises(BadFile) as caught, broken_values_are_not_dicom("read it"):
        raise ours
    assert caught.value is ours


@pytest.mark.parametrize("run", [b"\xe7\x00", b"\x18" + bytes(25), b"\x81\x00" * 9, b"\x7f"])
def test_a_decoder_that_panics_is_a_broken_file(
    make_ct: Callable[..., bytes], tmp_path: Path, run: bytes
) -> None:
    segment = run + bytes(len(run) % 2)
    header = struct.pack("<16L", 2, 64, 64 + len(segment), *[0] * 13)
    content = make_ct(RLELossless, PixelData=encapsulate([header + segment * 2]))
    path = tmp_path / "0.dcm"
    path.write_bytes(content)
    with pytest.raises(NotDicom, match="cannot decode the pixels"):
        read_volume([path])
