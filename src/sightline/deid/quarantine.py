"""What the door holds back, and why: each reason has a code and a sentence without patient data.

Kinds of images that usually carry text, and signs that an image was saved from a screen, are
enough to hold it, unless the text is blackened (`pixels`). Here only the plainest sign of drawing
in pixels is looked for, and only where they are not compressed.
"""

import re
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sightline.deid import waveforms
from sightline.deid.attributes import StorageClass, storage_classes
from sightline.deid.codestreams import holds_text
from sightline.deid.dataset import PIXEL_TAGS, Element, ParsedFile

REASONS = {
    "burned_in_text_declared": "The object says that its pixels hold text.",
    "burned_in_text_likely": "Pictures of this kind usually hold the patient's name in the pixels.",
    "colour_picture": "Scanners make no colour pictures of this kind; it may be a screen capture.",
    "damaged": "The stored file no longer matches its digest.",
    "document_unreadable": "The text of the document cannot be read with certainty.",
    "document_without_text": "A page of the document is a picture, such as a scan, without text.",
    "drawn_in_pixels": "One value lies far beyond all others, as where text was drawn in.",
    "embedded_document": "A whole document is embedded, which no rule in force can clean.",
    "face_not_removed": "A face may stand in the series, and cannot be cleared with certainty.",
    "identity_in_pixels": "The patient's name or number stands as text among the pixels' values.",
    "identity_mismatch": "The file is another instance than the catalog says.",
    "key_destroyed": "The key of the hub was destroyed; nobody new can be named in it.",
    "no_patient_id": "Without a patient ID the patient cannot be told from others.",
    "overlay_in_pixels": "An overlay is hidden in the unused bits of the pixels.",
    "pixel_data_length": "There is more pixel data than the image has pixels.",
    "pixels_unreadable": "The pixels cannot be decoded, looked at or blackened with certainty.",
    "private_content": "The content is known to its vendor only.",
    "screen_capture": "The object says that it was saved from a screen.",
    "slide_label_likely": "A whole slide may show its label, whose barcode no rule reads.",
    "text_in_stream": "The compressed pixels carry a comment that no known encoder writes.",
    "text_remains": "Text was still found in the pixels after blackening it three times.",
    "unknown_segment_name": "A class name has a word that is on no list; add it to the vault's "
    "words.txt if it names nobody.",
    "unknown_sop_class": "No rule is known for objects of this kind.",
    "unreadable": "The file cannot be read with certainty, so it cannot be cleaned.",
    "voice": "Sound may be a voice, which names its speaker.",
    "waveform_length": "A waveform holds other than the samples that it says.",
}

RELEASABLE = frozenset(
    {
        "burned_in_text_declared",
        "burned_in_text_likely",
        "colour_picture",
        "drawn_in_pixels",
        "screen_capture",
        "slide_label_likely",
    }
)
"""What a person who looks at the picture can see to be harmless; the rest no look can settle."""

HIDDEN_OVERLAY, DECLARED = "overlay_in_pixels", "burned_in_text_declared"

BLACKENED = frozenset(
    {
        DECLARED,
        "burned_in_text_likely",
        "colour_picture",
        "drawn_in_pixels",
        HIDDEN_OVERLAY,
        "screen_capture",
    }
)
"""What needs no holding where text is blackened and unused bits are cleared.

An image that says it holds text is still held where none is found.
"""

_IMAGE_TYPE = 0x00080008
_SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS_ALLOCATED, _BURNED_IN = 0x00280010, 0x00280011, 0x00280100, 0x00280301
# Conversion Type, and Secondary Capture Device ID, Manufacturer, Model, Software.
_SIGNS_OF_CAPTURE = (0x00080064, 0x00181010, 0x00181016, 0x00181018, 0x00181019)
_IDENTITY = (0x00100010, 0x00100020)  # Patient's Name, Patient ID
_PARTS_OF_NAME = re.compile(rb"[\^= \0]+")
# Shorter ones stand among millions of values by chance.
_SHORTEST_IDENTITY = 5
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_OVERLAY_BITS, _OVERLAY_BIT_POSITION = 0x0100, 0x0102
_GREY = frozenset({"", "MONOCHROME1", "MONOCHROME2"})
IODS_OF_MASKS = frozenset({"segmentation"})
"""Objects whose pixels are drawn, and hold no text."""
_SCREEN_WORDS = re.compile(
    r"SCREEN|CAPTURE|DOSE|REPORT|SUMMARY|PATIENT PROT|PROTOCOL|COLLAGE|GRAPH|HISTOGRAM|TEXT|TABLE"
    r"|POSDISP|STATISTICS|\bSC\b"
)
_UNSIGNED_SHORT = 2
_PIXEL_DATA, _SIGN = 0x7FE00010, 0x00280103
_PLAIN_BITS = 16
# A word has hundreds of pixels; an image of fewer values than this is drawn as a whole.
_FEWEST_DRAWN, _LEAST_SPREAD = 32, 64
_SPACE = 0x20


def reason_to_hold(
    parsed: ParsedFile,
    storage_class: StorageClass | None,
    released: frozenset[str] = frozenset(),
) -> str:
    """Return the code of the first reason to hold an instance; empty where there is none.

    Args:
        parsed: the instance.
        storage_class: what the door does with its kind.
        released: reasons that a person lifted; only those in `RELEASABLE` count.
    """
    return next(iter(reasons_to_hold(parsed, storage_class, released)), "")


def reasons_to_hold(
    parsed: ParsedFile,
    storage_class: StorageClass | None,
    released: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """Give the codes of all reasons to hold an instance, in the order of `reason_to_hold`."""
    lifted = released & RELEASABLE
    if storage_class is None:
        yield "unknown_sop_class"
        return
    if storage_class.reason and storage_class.reason not in lifted:
        yield storage_class.reason
    if storage_class.iod in waveforms.IODS and waveforms.has_surplus(parsed):
        yield "waveform_length"
    if not PIXEL_TAGS.isdisjoint(parsed.elements):
        signs = _reasons_in_image(_Image(parsed), storage_class.iod)
        yield from (reason for reason in signs if reason not in lifted)


def storage_class_of(sop_class_uid: str) -> StorageClass | None:
    """Return what the door does with a SOP class; None where it is not known."""
    return storage_classes().get(sop_class_uid)


def _reasons_in_image(image: "_Image", iod: str) -> Iterator[str]:
    is_mask = iod in IODS_OF_MASKS
    signs = (
        ("burned_in_text_declared", image.text(_BURNED_IN).upper() not in {"", "NO"}),
        ("screen_capture", image.was_saved_from_screen()),
        ("colour_picture", not is_mask and not image.is_grey()),
        ("overlay_in_pixels", image.hides_overlay()),
        ("pixel_data_length", image.has_surplus()),
        ("identity_in_pixels", image.holds_identity()),
        ("text_in_stream", image.has_text_in_stream()),
        ("drawn_in_pixels", image.is_drawn_in()),
    )
    yield from (reason for reason, is_there in signs if is_there)


class _Image:
    """The few values of an image that quarantine asks for."""

    def __init__(self, parsed: ParsedFile) -> None:
        self._elements = parsed.elements
        self._order = parsed.encoding.order

    def text(self, tag: int) -> str:
        element = self._elements.get(tag)
        return bytes(element.value).decode("latin-1").strip("\0 ") if element else ""

    def number(self, tag: int, default: int) -> int:
        return self._short(self._elements.get(tag), default)

    def is_grey(self) -> bool:
        return self.text(_PHOTOMETRIC) in _GREY and self.number(_SAMPLES, 1) == 1

    def has_text_in_stream(self) -> bool:
        pixels = self._elements.get(_PIXEL_DATA)
        return pixels is not None and pixels.is_encapsulated and holds_text(pixels.value)

    def was_saved_from_screen(self) -> bool:
        if any(self.text(tag) for tag in _SIGNS_OF_CAPTURE):
            return True
        return _SCREEN_WORDS.search(self.text(_IMAGE_TYPE).upper()) is not None

    def hides_overlay(self) -> bool:
        return any(
            self.number(group << 16 | _OVERLAY_BIT_POSITION, 0) != 0
            or self.number(group << 16 | _OVERLAY_BITS, 1) != 1
            for group in _OVERLAY_GROUPS
        )

    def has_surplus(self) -> bool:
        """Tell whether anything but padding follows the last pixel."""
        expected = self._expected_bytes()
        even = expected + expected % 2
        return any(
            any(bytes(self._elements[tag].value[even:]))
            for tag in PIXEL_TAGS & self._elements.keys()
            if not self._elements[tag].is_encapsulated
        )

    def holds_identity(self) -> bool:
        """Tell whether the patient's name or ID, as this object writes it, stands in the bytes."""
        pixels = self._elements.get(_PIXEL_DATA)
        if pixels is None or pixels.is_encapsulated:
            return False
        given = [bytes(self._elements[tag].value) for tag in _IDENTITY if tag in self._elements]
        parts = {part for value in given for part in _PARTS_OF_NAME.split(value)}
        sought = [part for part in parts if len(part) >= _SHORTEST_IDENTITY]
        if all(map(_is_ascii_text, sought)) and not _may_hold_ascii(pixels.value):
            return False
        content = bytes(pixels.value)
        return any(part in content for part in sought)

    def is_drawn_in(self) -> bool:
        """Tell whether the highest value stands alone, far above all others, in many pixels."""
        values = self._values()
        if values is None:
            return False
        top = int(values.max())
        if np.count_nonzero(values == top) < _FEWEST_DRAWN:
            return False
        others = values[values < top]
        if not others.size:
            return False
        spread = int(others.max()) - int(others.min())
        return spread >= _LEAST_SPREAD and top - int(others.max()) > 2 * spread

    def _values(self) -> npt.NDArray[np.integer] | None:
        """The values of uncompressed pixels of 16 bits; None where there are no such."""
        pixels = self._elements.get(_PIXEL_DATA)
        is_plain = pixels is not None and not pixels.is_encapsulated
        if pixels is None or not is_plain or self.number(_BITS_ALLOCATED, 16) != _PLAIN_BITS:
            return None
        kind = "i2" if self.number(_SIGN, 0) else "u2"
        whole = len(pixels.value) // 2 * 2
        values = np.frombuffer(pixels.value[:whole], dtype=self._order + kind)
        return values if values.size else None

    def _expected_bytes(self) -> int:
        samples = self.number(_ROWS, 0) * self.number(_COLUMNS, 0) * self.number(_SAMPLES, 1)
        frames = self.text(_FRAMES)
        count = int(frames) if frames.isdigit() else 1
        return -(-samples * count * self.number(_BITS_ALLOCATED, 16) // 8)

    def _short(self, element: Element | None, default: int) -> int:
        if element is None or len(element.value) < _UNSIGNED_SHORT:
            return default
        return int(struct.unpack_from(self._order + "H", element.value)[0])


def _is_ascii_text(part: bytes) -> bool:
    return part.isascii() and min(part) >= _SPACE


def _may_hold_ascii(content: bytes | memoryview) -> bool:
    """Tell whether three bytes of text may follow one another: two of them share a word of 16 bits.

    In the values of most slices no word has so high a second byte, and a search takes ten times
    as long.
    """
    even = len(content) // 2 * 2
    words = np.frombuffer(content[:even], "<i2")
    return bool(words.size) and int(words.max()) >= _SPACE << 8
