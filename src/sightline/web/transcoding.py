"""Compressed instances for clients that take only explicit little endian (PS3.18 8.7.3.5)."""

import io

import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from sightline import log
from sightline.engines.limited import Limits
from sightline.errors import BadFile, NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

_log = log.get("web")


def decode(content: bytes, *, frames: int) -> bytes:
    """Return a Part 10 file in explicit little endian, decoded by a limited child.

    Raises:
        NotDicom: It cannot be decoded within the limits of memory and time.
    """
    try:
        return Limits.for_bytes(len(content), frames=frames).call(decompress, content)
    except BadFile as error:
        _log.warning("instance_not_decoded", why=error.problem)
        raise NotDicom(
            "the instance cannot be decoded",
            hint="Accept it as it is stored: transfer-syntax=*.",
        ) from error


def decompress(content: bytes) -> bytes:
    """Return a Part 10 file in explicit little endian; the work of the child.

    Raises:
        NotDicom: It cannot be decoded.
    """
    dataset: pydicom.FileDataset = open_dataset(content, with_pixels=True)
    with broken_values_are_not_dicom("decode the pixels"), io.BytesIO() as file:
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True)
        return file.getvalue()
