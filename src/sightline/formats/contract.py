"""What a format is: how to recognise bytes, read them into a value, write a value as bytes."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from sightline.errors import BadFile
from sightline.registry import Registry
from sightline.values.volume import Segmentation, Volume

Readable: TypeAlias = Volume | Segmentation


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One format that Sightline reads or writes as a single file.

    Attributes:
        title: for people.
        suffixes: file name endings, lower case, with the dot; the first is what `write` makes.
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
            "acquisition",
            "bare_dataset",
            "certificate",
            "class_codes",
            "contract",
            "csa_header",
            "dicom_attributes",
            "dicom_dataset",
            "dicom_elements",
            "dicom_enhanced",
            "dicom_file",
            "dicom_frame",
            "dicom_grid",
            "dicom_image",
            "dicom_instance",
            "dicom_json",
            "dicom_mosaic",
            "dicom_place",
            "dicom_stacks",
            "dicom_text",
            "fhir",
            "fhir_outcome",
            "fhir_result",
            "hl7",
            "hl7_result",
            "kos",
            "mask_picture",
            "media_directory",
            "model_package",
            "onnx_graph",
            "package_files",
            "package_plan",
            "pdf_text",
            "signature",
            "slice_picture",
            "result_items",
            "tensor_file",
            "patient_module",
            "result_object",
            "seg",
            "sr",
            "sr_words",
            "statement_sr",
            "text_sr",
            "sc",
        }
    ),
)
"""Single-file formats by name; the DICOM objects that need a study beside them are no plug-ins."""

HEAD_BYTES = 1024
"""How much of a file `Format.recognises` is given."""


def recognise(content: bytes) -> Format:
    """Find the format of a file by its bytes, asking our own and outsiders' formats.

    Raises:
        BadFile: No format recognises the bytes.
    """
    formats = FORMATS.all()
    for candidate in formats.values():
        if candidate.recognises(content[:HEAD_BYTES]):
            return candidate
    titles = ", ".join(sorted(candidate.title for candidate in formats.values()))
    raise BadFile("a file of no known format", hint=f"Known: {titles}. Others come as plug-ins.")


def read_mask(content: bytes, *, classes: tuple[str, ...], author: str) -> Segmentation:
    """Read a mask of any known format.

    A format that names its classes is matched by name; in one that does not, voxel k is the
    k-th of `classes`.

    Raises:
        BadFile: No known format, a broken file, or voxels or names that are none of `classes`.
    """
    return as_segmentation(recognise(content).read(content), classes=classes, author=author)


def as_segmentation(value: Readable, *, classes: tuple[str, ...], author: str) -> Segmentation:
    """Take what a format read as a mask of `classes`.

    Raises:
        BadFile: Its voxels or its names are none of `classes`.
    """
    if isinstance(value, Volume):
        mask, numbers = value.voxels, list(range(len(classes) + 1))
    else:
        mask, numbers = value.mask, [0, *(_number(name, classes) for name in value.classes)]
    lowest, highest = int(mask.min()), int(mask.max())
    is_scaled = isinstance(value, Volume) and (value.slope, value.intercept) != (1.0, 0.0)
    if is_scaled or lowest < 0 or highest >= len(numbers):
        raise BadFile(
            f"a mask with values from {lowest} to {highest} for {len(numbers) - 1} classes",
            hint=f"0 is background; {_legend(classes)}.",
        )
    renumbered = np.array(numbers, dtype=np.uint8)[mask]
    return Segmentation(mask=renumbered, geometry=value.geometry, classes=classes, author=author)


def _number(name: str, classes: tuple[str, ...]) -> int:
    if name not in classes:
        raise BadFile(f"the mask has a class {name!r}", hint=f"Known: {', '.join(classes)}.")
    return classes.index(name) + 1


def _legend(classes: tuple[str, ...]) -> str:
    return ", ".join(f"{number} is {name}" for number, name in enumerate(classes, start=1))
