"""What a format is: how to recognise bytes, read them into a value, write a value as bytes."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

from sightline.registry import Registry
from sightline.values.volume import Segmentation, Volume

Readable: TypeAlias = Volume | Segmentation


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One format that Sightline reads or writes as a single file.

    Attributes:
        title: for people.
        suffixes: file name endings, lower case, with the dot.
        recognises: tells from the first 1,024 bytes whether a file is of this format.
        read: turns a whole file into a value; raises `BadFile` and nothing else.
        write: turns a value into a whole file; None where the format is only read, or where
            writing needs more than the value.
    """

    title: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[bytes], Readable]
    write: Callable[[Readable], bytes] | None = None


FORMATS: Registry[Format] = Registry(
    package="sightline.formats",
    kind=Format,
    skip=frozenset(
        {
            "contract",
            "dicom_dataset",
            "dicom_elements",
            "dicom_file",
            "dicom_image",
            "dicom_json",
            "dicom_text",
            "seg",
            "sr",
            "sc",
        }
    ),
)
"""Single-file formats by name; the DICOM objects that need a study beside them are no plug-ins."""
