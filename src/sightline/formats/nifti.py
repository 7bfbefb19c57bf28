"""NIfTI-1 and -2, one file, plain or gzipped.

NIfTI indexes (i, j, k) to RAS; we index (slice, row, column) = (k, j, i) to LPS. The voxels in
memory are the same, so nothing is resampled and nothing reordered.
"""

import gzip
import io
import zlib
from typing import TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from sightline.errors import BadFile
from sightline.formats.contract import Format, Readable, as_segmentation
from sightline.values.arrays import Affine, Voxels
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume

_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 1024
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPACE_UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_MAX_VOXELS = 1 << 30
_STEPS = 65_535
_SINGLE_PRECISION = 1e-6
_ORIGIN_SHARE = 1e-3
_INTEGERS = tuple(np.dtype(name) for name in ("u1", "i2", "u2", "i4"))


_Quantised: TypeAlias = tuple[npt.NDArray[np.uint16], float, float]


def read_nifti_volume(content: bytes, *, modality: str) -> Volume:
    """Read a three-dimensional image.

    Floating-point voxels that are whole numbers, or whole multiples of one step, become those
    integers; others are quantised to 65,536 steps, with slope and intercept to match. A NIfTI
    does not say its modality.

    Raises:
        BadFile: No NIfTI, a broken one, not three-dimensional, or not finite.
    """
    head = _inflate(content, _HEAD_BYTES)
    try:
        header = _header(head)
        shape, dtype = _shape(header), header.get_data_dtype()
        affine, offset = _affine(header), int(header["vox_offset"])
        slope, intercept = _scale(header)
    except (HeaderDataError, WrapStructError, ValueError, KeyError, OverflowError) as error:
        raise _broken("its header is damaged") from error
    count = int(np.prod(shape, dtype=np.int64))
    size_bytes = offset + count * dtype.itemsize
    plain = _inflate(content, size_bytes)
    if offset < 0 or len(plain) < size_bytes:
        raise _broken("it ends before its last voxel")
    stored = np.frombuffer(plain, dtype, count, offset).reshape(shape)
    voxels, slope, intercept = _as_integers(stored, slope, intercept)
    return Volume(
        voxels=voxels,
        geometry=Geometry.from_affine(shape, affine),
        modality=modality,
        slope=slope,
        intercept=intercept,
        unit="HU" if modality == "CT" else "",
    )


def read_nifti_mask(content: bytes, *, classes: tuple[str, ...], author: str) -> Segmentation:
    """Read a mask whose voxels are 0 for background and k for the k-th class.

    Raises:
        BadFile: As `read_nifti_volume`, or a voxel is no class.
    """
    return as_segmentation(read_nifti_volume(content, modality=""), classes=classes, author=author)


def write_nifti_volume(volume: Volume) -> bytes:
    """Write an image as .nii.gz; the same volume gives the same bytes.

    NIfTI has one scale: where slices differ in theirs, float32 in the unit is written.
    """
    volume = volume.evened()
    return _write(volume.voxels, volume.geometry, (volume.slope, volume.intercept))


def write_nifti_mask(segmentation: Segmentation) -> bytes:
    """Write a mask as .nii.gz; NIfTI has no place for class names and author."""
    return _write(segmentation.mask, segmentation.geometry, (1.0, 0.0))


def _write(voxels: Voxels, geometry: Geometry, scale: tuple[float, float]) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype(voxels.dtype.newbyteorder("<"))
    header.set_data_shape(voxels.shape[::-1])
    affine = _RAS_TO_LPS @ geometry.matrix[:, [2, 1, 0, 3]]
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    header.set_slope_inter(*scale)
    header["magic"], header["vox_offset"] = b"n+1", 352
    little = np.ascontiguousarray(voxels, dtype=voxels.dtype.newbyteorder("<"))
    return gzip.compress(header.binaryblock + bytes(4) + little.tobytes(), mtime=0)


def _inflate(content: bytes, size_bytes: int) -> bytes:
    """Return at most `size_bytes` of the plain file: what it claims bounds what is inflated."""
    if not content.startswith(_GZIP):
        return content
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, max(size_bytes, 1))
    except zlib.error as error:
        raise _broken("its gzip stream is damaged") from error


def _header(head: bytes) -> nib.Nifti1Header:
    if _is_nifti1(head):
        kind = nib.Nifti1Header
    elif _is_nifti2(head):
        kind = nib.Nifti2Header
    else:
        raise BadFile("not a single-file NIfTI", hint="Give a .nii or .nii.gz file.")
    header: nib.Nifti1Header = kind.from_fileobj(io.BytesIO(head), check=False)
    if header["pixdim"][0] == 0:
        # The standard reads 0 as 1; nibabel refuses it.
        header["pixdim"][0] = 1
    return header


def _shape(header: nib.Nifti1Header) -> tuple[int, int, int]:
    """Return slices, rows, columns."""
    shape = [int(length) for length in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:  # noqa: PLR2004 - i, j, k
        shape.pop()
    if len(shape) != 3 or min(shape) < 1:  # noqa: PLR2004 - i, j, k
        raise BadFile(
            f"an array of {shape} is no volume", hint="Give one time point: three dimensions."
        )
    columns, rows, slices = shape
    if slices * rows * columns > _MAX_VOXELS:
        raise BadFile(f"{shape} voxels are too many", hint="Split the image.")
    return slices, rows, columns


def _affine(header: nib.Nifti1Header) -> Affine:
    """Return the matrix from (slice, row, column) to LPS mm."""
    unit_mm = _SPACE_UNITS_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    ras = np.diag([unit_mm, unit_mm, unit_mm, 1.0]) @ header.get_best_affine()
    if not np.isfinite(ras).all() or abs(np.linalg.det(ras)) < np.finfo(float).tiny:
        raise BadFile("its affine is singular", hint="Export it again with a valid orientation.")
    affine: Affine = (_RAS_TO_LPS @ ras)[:, [2, 1, 0, 3]]
    return affine


def _scale(header: nib.Nifti1Header) -> tuple[float, float]:
    slope, intercept = header.get_slope_inter()
    return (1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))


def _as_integers(
    stored: npt.NDArray[np.generic], slope: float, intercept: float
) -> tuple[Voxels, float, float]:
    if stored.dtype.kind not in "iuf":
        raise BadFile(f"voxels of type {stored.dtype}", hint="A volume has one number a voxel.")
    if stored.dtype.newbyteorder("=") in _INTEGERS:
        return stored.astype(stored.dtype.newbyteorder("="), copy=False), slope, intercept
    if not np.isfinite(stored.astype(np.float64)).all():
        raise BadFile("some voxels are not finite", hint="Replace NaN and infinity first.")
    low, high = float(stored.min()), float(stored.max())
    if stored.dtype.kind in "iu" or bool((stored == np.rint(stored)).all()):
        for dtype in _INTEGERS:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return stored.astype(dtype), slope, intercept
    numbers, step, origin = _quantise(stored.astype(np.float64), low, high)
    return numbers, slope * step, slope * origin + intercept


def _quantise(values: npt.NDArray[np.float64], low: float, high: float) -> _Quantised:
    """Find the step that a scanner's integers were multiplied by, or take 65,535 equal ones."""
    step = (high - low) / _STEPS
    finest = float(np.diff(np.unique(values)).min())
    count = np.rint((high - low) / finest)
    if count <= _STEPS:
        exact = (high - low) / count
        rest = np.abs(np.rint((values - low) / exact) * exact + low - values).max()
        step = exact if rest <= _SINGLE_PRECISION * max(abs(low), abs(high)) else step
    origin = low
    if abs(np.rint(low / step) - low / step) < _ORIGIN_SHARE and low >= 0 and high / step <= _STEPS:
        origin = 0.0
    return np.rint((values - origin) / step).astype(np.uint16), step, origin


def _is_nifti1(head: bytes) -> bool:
    return head[344:348] == b"n+1\0"


def _is_nifti2(head: bytes) -> bool:
    return head[4:12] == b"n+2\0\r\n\x1a\n"


def _recognises(head: bytes) -> bool:
    if not head.startswith(_GZIP):
        return _is_nifti1(head) or _is_nifti2(head)
    try:
        plain = _inflate(head, _HEAD_BYTES)
    except BadFile:
        return False
    return _is_nifti1(plain) or _is_nifti2(plain)


def _read(content: bytes) -> Readable:
    return read_nifti_volume(content, modality="")


def _write_any(value: Readable) -> bytes:
    return write_nifti_volume(value) if isinstance(value, Volume) else write_nifti_mask(value)


def _broken(what: str) -> BadFile:
    return BadFile(f"a broken NIfTI: {what}", hint="Export the file again.")


PLUGIN = Format(
    title="NIfTI",
    suffixes=(".nii.gz", ".nii"),
    recognises=_recognises,
    read=_read,
    write=_write_any,
)
