"""The one door to pydicom's parser: its many exceptions become `NotDicom` here."""

import contextlib
import io
import struct
from collections.abc import Iterator

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import open_elements

# What pydicom and its decoders raised on mutated files; RecursionError is a RuntimeError.
_FOREIGN = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


@contextlib.contextmanager
def broken_values_are_not_dicom(doing: str) -> Iterator[None]:
    """Turn what pydicom raises on broken values into `NotDicom`.

    Args:
        doing: what was attempted, for the message, such as `decode the pixels`.
    """
    try:
        yield
    except BaseException as error:
        # A decoder written in Rust panics past Exception.
        if not isinstance(error, _FOREIGN) and type(error).__module__ != "pyo3_runtime":
            raise
        # The foreign message may quote a patient's value, so only its kind is told.
        raise NotDicom(
            f"cannot {doing}: {type(error).__name__}",
            hint="The file is broken or uses a feature that is not supported.",
        ) from error


def open_dataset(content: bytes, *, with_pixels: bool) -> pydicom.FileDataset:
    """Parse a Part 10 file whose structure was walked first, so that no bomb reaches the parser.

    Raises:
        NotDicom: The file is broken.
    """
    for _ in open_elements(content):
        pass
    with broken_values_are_not_dicom("parse the file"):
        return pydicom.dcmread(io.BytesIO(content), stop_before_pixels=not with_pixels)
