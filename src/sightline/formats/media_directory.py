"""The DICOMDIR of a medium: which files it says are there (PS3.3 F.3, PS3.10 8.6)."""

from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset

MEDIA_DIRECTORY_STORAGE = "1.2.840.10008.1.3.10"
_MARK = b"UI\x14\x00" + MEDIA_DIRECTORY_STORAGE.encode()
_META_BYTES = 512
_MOST_PARTS = 8


def is_directory(content: bytes) -> bool:
    """Tell whether a Part 10 file is a DICOMDIR, which lists instances and is none itself."""
    return _MARK in content[:_META_BYTES]


def read_directory(content: bytes) -> list[str]:
    """Return the files that a DICOMDIR lists, their parts joined by slashes.

    They are names to compare with, never paths to open.

    Raises:
        NotDicom: It is broken.
    """
    dataset = open_dataset(content, with_pixels=False)
    listed = []
    with broken_values_are_not_dicom("read the DICOMDIR"):
        for item in dataset.get("DirectoryRecordSequence") or []:
            value = item.get("ReferencedFileID")
            if value:
                parts = [value] if isinstance(value, str) else [str(part) for part in value]
                listed.append("/".join(parts[:_MOST_PARTS]))
    if not listed and "DirectoryRecordSequence" not in dataset:
        raise NotDicom("a DICOMDIR without records", hint="Its files are taken all the same.")
    return listed
