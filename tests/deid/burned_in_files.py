"""Generated pictures as DICOM files of five modalities, in each pixel format they come in."""

import dataclasses

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
)

from tests.deid.burned_in import Picture
from tests.instances import part10_of, slice_of

_KINDS = {
    "US": UltrasoundImageStorage,
    "CR": ComputedRadiographyImageStorage,
    "XA": XRayAngiographicImageStorage,
    "SC": SecondaryCaptureImageStorage,
    "CT": CTImageStorage,
}
_FORMS = {
    "US": ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "MONOCHROME2"),
    "CR": ("MONOCHROME1", "MONOCHROME2"),
    "XA": ("MONOCHROME2",),
    "SC": ("RGB", "PALETTE COLOR", "YBR_FULL", "MONOCHROME2"),
    "CT": ("MONOCHROME2",),
}
_DEPTHS = {"US": (8,), "CR": (10, 12, 16), "XA": (8, 10), "SC": (8,), "CT": (12, 16)}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A picture as a file."""

    content: bytes
    picture: Picture
    form: str


def written(picture: Picture, seed: int) -> Written:
    """Write a picture in one of the forms of its kind."""
    rng = np.random.default_rng([seed, 77])
    form = str(rng.choice(_FORMS[picture.kind]))
    stored = int(rng.choice(_DEPTHS[picture.kind]))
    dataset = slice_of(1, size=4)
    count, rows, columns = picture.frames.shape
    dataset.SOPClassUID = _sop_class(picture.kind, count)
    dataset.Modality = {"SC": "OT"}.get(picture.kind, picture.kind)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = rows, columns
    if count > 1:
        dataset.NumberOfFrames = count
    dataset.BitsStored, dataset.HighBit = stored, stored - 1
    dataset.BitsAllocated = 8 if stored == 8 else 16
    dataset.PixelRepresentation = 0
    _set_pixels(dataset, picture.frames, form, rng)
    syntax = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)[int(rng.integers(2))]
    is_by_pixel = dataset.get("PlanarConfiguration", 0) == 0
    is_plain = form in {"MONOCHROME1", "MONOCHROME2", "RGB"}
    if is_plain and is_by_pixel and rng.random() < 0.25:
        part10_of(dataset, ExplicitVRLittleEndian)
        dataset.compress(RLELossless, generate_instance_uid=False)
        syntax = RLELossless
    return Written(content=part10_of(dataset, syntax), picture=picture, form=form)


def _sop_class(kind: str, frames: int) -> str:
    if frames > 1 and kind == "US":
        return UltrasoundMultiFrameImageStorage
    if frames > 1 and kind != "XA":
        return MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    return _KINDS[kind]


def _set_pixels(
    dataset: Dataset, frames: npt.NDArray[np.float32], form: str, rng: np.random.Generator
) -> None:
    top = 2**dataset.BitsStored - 1
    dataset.PhotometricInterpretation = form
    dtype = np.dtype(np.uint8 if dataset.BitsAllocated == 8 else np.uint16)
    values = np.round(frames * top).astype(dtype)
    if form == "MONOCHROME1":
        values = top - values
    elif form == "PALETTE COLOR":
        values = _with_palette(dataset, values, rng)
    elif form in {"RGB", "YBR_FULL", "YBR_FULL_422"}:
        dataset.SamplesPerPixel = 3
        dataset.PlanarConfiguration = 0
        values = _coloured(values, form)
        if form == "RGB" and rng.random() < 0.3:
            dataset.PlanarConfiguration = 1
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    del dataset.PixelData
    content = values.tobytes()
    dataset.add_new(
        "PixelData", "OB" if dataset.BitsAllocated == 8 else "OW", content + bytes(len(content) % 2)
    )
    if form in {"RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR"}:
        del dataset.RescaleSlope, dataset.RescaleIntercept


def _coloured(values: npt.NDArray[np.uint8], form: str) -> npt.NDArray[np.uint8]:
    if form == "RGB":
        # A tint, as consoles use, that keeps what is bright bright.
        return np.stack([values, values, (values * 0.8).astype(np.uint8)], axis=-1)
    grey = np.full_like(values, 128)
    if form == "YBR_FULL":
        return np.stack([values, grey, grey], axis=-1)
    pairs = values.reshape(*values.shape[:2], -1, 2)
    return np.concatenate([pairs, np.full_like(pairs, 128)], axis=-1)


def _with_palette(
    dataset: Dataset, values: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Shuffle the entries of a grey palette, so that 0 is not black."""
    order = rng.permutation(256).astype(np.uint8)
    entries = np.zeros(256, np.uint16)
    entries[order] = np.arange(256) * 257
    for name in ("Red", "Green", "Blue"):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{name}PaletteColorLookupTableData", entries.astype("<u2").tobytes())
    return order[values]
