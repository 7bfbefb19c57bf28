"""Text of reports: cleaned where free text may pass, else kept as descriptions are.

PS3.15 Clean Structured Content (113104) and Clean Descriptors (113105).
"""

import re

from sightline.deid import text
from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.deid.free_text import clean_text
from sightline.formats.dicom_text import LONGEST_VALUES, decode

_SEVERAL = frozenset({"LO", "SH", "UC"})
_LINE_END = re.compile(rb"(\r\n|\r|\n|\f|\t)")


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:
    """Return the text without identifiers, as UTF-8; None where it became too long."""
    if context.known is None:
        return text.clean(value, attribute, context)
    whole = _decoded(value, context.charset)
    several = attribute.vr in _SEVERAL and attribute.most != 1
    texts = whole.split("\\") if several else [whole]
    cleaned = [clean_text(each, context.known, context).text for each in texts]
    # What grew beyond is no value any more.
    longest = LONGEST_VALUES.get(attribute.vr)
    if longest is not None and any(len(each) > longest for each in cleaned):
        return None
    return "\\".join(cleaned).encode("utf-8", "replace")


def _decoded(value: bytes, charset: str) -> str:
    """Decode a text and keep its lines: a line end returns to the first character set."""
    parts = _LINE_END.split(value.rstrip(b"\0 "))
    return "".join(
        _keeping_blanks(part, charset) if number % 2 == 0 else part.decode("ascii")
        for number, part in enumerate(parts)
    )


def _keeping_blanks(part: bytes, charset: str) -> str:
    left = len(part) - len(part.lstrip(b" "))
    right = len(part) - len(part.rstrip(b" "))
    plain = decode(part, charset)
    return " " * left + plain + " " * right if plain else " " * left


PLUGIN = Rule(action="text_cleaned", clean=clean)
