"""The worst examples: which they are, what is wrong, and how they look.

An exhibit holds what the model drew on one slice; image and truth are read from the hub when it is
shown, so that an image that was withdrawn is shown no more.
"""

import base64
import binascii
import zlib

import numpy as np
import numpy.typing as npt

from sightline.errors import DamagedObject
from sightline.formats.slice_picture import (
    Picture,
    display_size,
    grey_slice,
    outline,
    png,
    resized,
    resized_mask,
)
from sightline.hub.admission import MASK_FORMAT, volume_geometry
from sightline.hub.hub import Hub
from sightline.hub.withdrawal import instances_of_series
from sightline.store.arrays import StoredArray
from sightline.values.collection import CollectionVersion
from sightline.values.evaluation import (
    AmountNumbers,
    CandidateNumbers,
    Exhibit,
    MaskNumbers,
    Numbers,
    PackedSlice,
    PictureNumbers,
    ProbabilityNumbers,
    ScoredExample,
)
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume

SHOWN = 6
"""So many of the worst examples are kept."""

_LONGEST_SIDE = 300
_TRUTH, _MODEL = (90, 220, 120), (255, 150, 40)
_GAP = 6
_LEAST_SHARE = 0.35
_MARGIN_SHARE = 0.5
_HEAT_SHARE = 0.55
_SLICE_BYTES = 64 * 1024 * 1024


def badness_of(example: ScoredExample) -> float:
    """Tell how bad an example is among those of its task; the more, the worse."""
    return max((_badness(numbers) for numbers in example.numbers), default=0.0)


def _badness(numbers: Numbers) -> float:
    match numbers:
        case MaskNumbers():
            return 0.0 if numbers.dice is None else 1 - numbers.dice
        case ProbabilityNumbers():
            return abs(numbers.score - numbers.truth)
        case CandidateNumbers():
            found = {each.lesion for each in numbers.candidates} - {None}
            return numbers.lesions - len(found) + 0.01 * len(numbers.candidates)
        case AmountNumbers():
            return abs(numbers.answer - numbers.truth)
        case PictureNumbers():
            return numbers.mean_error


def worst_class(example: ScoredExample) -> str:
    """Return the class that makes an example as bad as it is."""
    return max(example.numbers, key=_badness).class_name


def words_of(example: ScoredExample) -> str:
    """Say in a line what the model did with an example."""
    return "; ".join(_words(numbers) for numbers in example.numbers)


def _words(numbers: Numbers) -> str:
    name = numbers.class_name.replace("_", " ")
    match numbers:
        case MaskNumbers():
            dice = "in neither" if numbers.dice is None else f"Dice {numbers.dice:.2f}"
            return f"{name}: {dice}, {numbers.answer_ml:.3g} ml drawn of {numbers.truth_ml:.3g} ml"
        case ProbabilityNumbers():
            return f"{name}: {numbers.score:.0%} sure, and it is {_there(is_it=numbers.truth)}"
        case CandidateNumbers():
            found = {each.lesion for each in numbers.candidates} - {None}
            false = sum(each.lesion is None for each in numbers.candidates)
            return f"{name}: {len(found)} of {numbers.lesions} found, {false} false"
        case AmountNumbers():
            return f"{name}: {numbers.answer:.3g} said, {numbers.truth:.3g} true"
        case PictureNumbers():
            return f"{name}: PSNR {numbers.psnr_db:.1f} dB"


def _there(*, is_it: bool) -> str:
    return "there" if is_it else "not there"


def worst_slice(answer: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> int:
    """Return the slice in which two masks differ most, or that holds most where they agree."""
    differing = (answer != truth).sum(axis=(1, 2))
    return int((differing if differing.any() else (truth > 0).sum(axis=(1, 2))).argmax())


def pack(plane: npt.NDArray[np.uint8]) -> PackedSlice:
    """Pack one slice for keeping."""
    rows, columns = plane.shape
    deflated = zlib.compress(np.ascontiguousarray(plane).tobytes(), 9)
    return PackedSlice(
        rows=rows, columns=columns, content=base64.b64encode(deflated).decode("ascii")
    )


def unpack(packed: PackedSlice) -> npt.NDArray[np.uint8]:
    """Return a slice that was packed.

    Raises:
        DamagedObject: It holds something else.
    """
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(base64.b64decode(packed.content), _SLICE_BYTES)
        plane = np.frombuffer(content, dtype=np.uint8).reshape(packed.rows, packed.columns)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise DamagedObject(
            "a slice of an evaluation cannot be read", hint="Evaluate the model again."
        ) from error
    return plane


def exhibit_picture(hub: Hub, chosen: CollectionVersion, exhibit: Exhibit) -> bytes | None:
    """Draw an exhibit as PNG: the image alone, and with outlines of truth and answer.

    Returns:
        None where the image was withdrawn, or is not there any more.
    """
    member = next((m for m in chosen.members if m.series_uid == exhibit.series_uid), None)
    if member is None or not instances_of_series(hub, member.series_uid):
        return None
    try:
        image = hub.array(member.volume_digest)
        truth = hub.array(member.annotation_digest) if member.annotation_digest else None
        if truth is not None and truth.attributes.get("format") != MASK_FORMAT:
            truth = None  # an image that was to be made has no outline
        volume = _one_slice(image, exhibit.slice_index)
        drawn = _plane(truth, exhibit.slice_index) if truth else None
        answer = unpack(exhibit.mask) if exhibit.mask else None
        heat = unpack(exhibit.saliency) if exhibit.saliency else None
    except (DamagedObject, ValueError):
        return None
    return png(_pair(volume, truth=drawn, answer=answer, heat=heat))


def _one_slice(image: StoredArray, index: int) -> Volume:
    geometry = volume_geometry(image.attributes, image.shape)
    slope, intercept = image.scale
    _, rows, columns = image.shape
    return Volume(
        voxels=image.read((slice(index, index + 1), slice(0, rows), slice(0, columns))),
        geometry=Geometry(shape=(1, rows, columns), affine=geometry.affine),
        modality=image.attributes["modality"],
        slope=slope,
        intercept=intercept,
        unit=image.attributes.get("unit", ""),
    )


def _plane(mask: StoredArray, index: int) -> npt.NDArray[np.uint8]:
    _, rows, columns = mask.shape
    box = (slice(index, index + 1), slice(0, rows), slice(0, columns))
    return np.asarray(mask.read(box)[0], dtype=np.uint8)


def _pair(
    volume: Volume,
    *,
    truth: npt.NDArray[np.uint8] | None,
    answer: npt.NDArray[np.uint8] | None,
    heat: npt.NDArray[np.uint8] | None,
) -> Picture:
    """Draw the same cut twice, so that outlines hide nothing."""
    grey = grey_slice(volume, 0)
    # Where the answer may rest on anything, all of it is shown.
    regions = [each for each in (truth, answer) if each is not None and heat is None]
    rows, columns = _cut(grey.shape, regions)
    _, row_mm, column_mm = volume.geometry.spacing_mm
    grey = grey[rows, columns]
    height, width = grey.shape
    size = display_size((height, width), (row_mm, column_mm), longest_side=_LONGEST_SIDE)
    plain = resized(grey, size)
    marked = plain.copy()
    if heat is not None:
        marked = _heated(marked, resized_mask(heat[rows, columns], size))
    for mask, colour in ((truth, _TRUTH), (answer, _MODEL)):
        if mask is not None:
            labels = resized_mask(mask[rows, columns], size)
            for number in np.unique(labels[labels > 0]):
                marked[outline(labels == number)] = colour
    gap = np.full((plain.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([plain, gap, marked], axis=1)


def _cut(shape: tuple[int, ...], regions: list[npt.NDArray[np.uint8]]) -> tuple[slice, slice]:
    """Choose the part of a slice that holds the regions and something around them."""
    found = sum((each > 0 for each in regions), np.zeros(shape, bool))
    if not found.any():
        return slice(0, shape[0]), slice(0, shape[1])
    spans = []
    for axis in range(2):
        where = np.flatnonzero(found.any(axis=1 - axis))
        first, stop = int(where[0]), int(where[-1]) + 1
        length = max((stop - first) * (1 + 2 * _MARGIN_SHARE), shape[axis] * _LEAST_SHARE)
        begin = round(max(0, min((first + stop - length) / 2, shape[axis] - length)))
        spans.append(slice(begin, min(shape[axis], begin + round(length))))
    return spans[0], spans[1]


def _heated(picture: Picture, heat: npt.NDArray[np.uint8]) -> Picture:
    """Colour a picture where the answer rests on it: yellow over red, the more the surer."""
    share = (heat.astype(np.float32) / 255)[..., None]
    colour = np.concatenate([np.full_like(share, 255), 230 * share, 40 * share], axis=-1)
    return (picture * (1 - _HEAT_SHARE * share) + colour * _HEAT_SHARE * share).astype(np.uint8)
