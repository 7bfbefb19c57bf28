"""The one door to pydicom's parser: its many exceptions become `NotDicom` here."""

import contextlib
import io
import struct
from collections.abc import Iterator

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import (
    DEFLATED,
    Elements,
    Encoding,
    largest_inflated,
    open_elements,
)

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
        NotDicom: The file is broken, or inflates to far more than it is.
    """
    elements = open_elements(content)
    end = len(content)
    for element in elements:
        end = element.start + element.length
    is_deflated = elements.transfer_syntax_uid == DEFLATED
    if is_deflated and elements.size_bytes > largest_inflated(len(content)):
        raise NotDicom(
            f"{len(content)} bytes inflate to {elements.size_bytes}",
            hint="Send it with another transfer syntax.",
        )
    # The parser trusts whatever follows the last element.
    whole = content if is_deflated else content[:end]
    with broken_values_are_not_dicom("parse the file"):
        return pydicom.dcmread(io.BytesIO(whole), stop_before_pixels=not with_pixels)


def parse_dataset(content: bytes, transfer_syntax_uid: str) -> pydicom.Dataset:
    """Parse a data set without a file around it, as a DIMSE message carries it.

    Raises:
        NotDicom: It is broken.
    """
    encoding = Encoding.of(transfer_syntax_uid)
    elements = Elements(
        transfer_syntax_uid=transfer_syntax_uid,
        encoding=encoding,
        content=content,
        offset=0,
        size_bytes=len(content),
    )
    for _ in elements:
        pass
    with broken_values_are_not_dicom("parse the data set"):
        return read_dataset(io.BytesIO(content), encoding.is_implicit, encoding.is_little)


def encode_dataset(dataset: pydicom.Dataset, transfer_syntax_uid: str) -> bytes:
    """Write a data set without a file around it.

    Raises:
        NotDicom: A value cannot be written.
    """
    encoding = Encoding.of(transfer_syntax_uid)
    with broken_values_are_not_dicom("write the data set"), DicomBytesIO() as buffer:
        buffer.is_implicit_VR, buffer.is_little_endian = encoding.is_implicit, encoding.is_little
        write_dataset(buffer, dataset)
        return buffer.getvalue()


def rewritten(content: bytes, transfer_syntax_uid: str) -> bytes:
    """Return the dataset of a little endian Part 10 file in implicit or explicit VR.

    Raises:
        NotDicom: The file is broken.
    """
    return encode_dataset(open_dataset(content, with_pixels=True), transfer_syntax_uid)
