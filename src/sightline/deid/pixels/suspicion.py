"""Whether an image of a kind that usually carries no text, a slice, deserves a reading."""

import numpy as np

from sightline import log
from sightline.deid.dataset import ParsedFile
from sightline.deid.pixels.bare import bare
from sightline.deid.pixels.blacken import PIXEL_DATA, Layout
from sightline.deid.pixels.drawn import looks_drawn
from sightline.deid.pixels.look import is_any_drawn
from sightline.engines.limited import Limits
from sightline.errors import BadFile

_log = log.get("deid")

_BITS = frozenset({8, 16})
# Compressed without loss: of all others no two pixels of a stroke need have one value.
_LOSSLESS = frozenset(
    {
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.4.202",
    }
)


def may_hold_text(parsed: ParsedFile) -> bool | str:
    """Tell whether anything in a grey image may be drawn, or return the reason to hold it.

    Uncompressed values are looked at here, others in a limited child.
    """
    if PIXEL_DATA not in parsed.elements:
        return False
    layout = Layout.of(parsed)
    if layout.samples != 1 or layout.bits not in _BITS:
        return False
    if parsed.elements[PIXEL_DATA].is_encapsulated:
        return _may_hold_text_compressed(parsed, layout)
    kind = f"{parsed.encoding.order}{'i' if layout.is_signed else 'u'}{layout.bits // 8}"
    size = layout.rows * layout.columns
    pixels = parsed.elements[PIXEL_DATA].value
    count = len(pixels) * 8 // layout.bits // size if size else 0
    values = np.frombuffer(pixels, kind, count * size)
    return any(map(looks_drawn, values.reshape(count, layout.rows, layout.columns)))


def _may_hold_text_compressed(parsed: ParsedFile, layout: Layout) -> bool | str:
    if parsed.transfer_syntax_uid not in _LOSSLESS:
        return True
    content = bare(parsed)
    try:
        return Limits.for_bytes(len(content), frames=layout.frames).call(is_any_drawn, content)
    except BadFile as error:
        _log.warning("pixels_not_looked_at", why=error.problem)
        return "pixels_unreadable"
