"""Numbers: kept where they are numbers; text that hides in a number's place is not.

Bytes are taken for text where numbers hardly ever look so: in ASCII, in UTF-16, in UTF-8, or a name
with `^` in the letters of another alphabet.
"""

import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule

_WIDTHS = {
    "AT": 4,
    "FD": 8,
    "FL": 4,
    "OB": 1,
    "OD": 8,
    "OF": 4,
    "OL": 4,
    "OV": 8,
    "OW": 2,
    "SL": 4,
    "SS": 2,
    "SV": 8,
    "UL": 4,
    "US": 2,
    "UV": 8,
}
_DECIMAL = re.compile(rb" *[+-]?(\d{1,24}(\.\d{0,24})?|\.\d{1,24})([eE][+-]?\d{1,3})? *")
_PRINTABLE = re.compile(rb"[\x20-\x7e]{8,}\0?")
_WORD = re.compile(rb"[A-Za-z]{4}")
_NOT_PRINTABLE = re.compile(rb"[^\x20-\x7e]")
_LETTERS = re.compile(rb"[A-Za-z^ ]{12,}")
# In UTF-16 each letter is a small number of two bytes; those are seldom letters of one case, out of
# order, five times in a row.
_UTF_16_WORD = re.compile(rb"[A-Z]{5,}|[A-Z]?[a-z]{4,}")
_ESCAPE = re.compile(rb"\x1b[$(][@-Z]")
_FOREIGN_NAME = re.compile(rb"[A-Za-z\xa1-\xff=]{2,}\^[A-Za-z\xa1-\xff=^ ]{2,}")
_SHORTEST_UTF_16, _SHORTEST_FOREIGN = 8, 9
_FEW_BYTES, _LONGEST_LIKELY_TEXT = 64, 4096


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return the value as it is; None where it holds anything but as many numbers as it may."""
    if not value:
        return value
    if attribute.vr in {"DS", "IS"}:
        parts = value.rstrip(b"\0 ").split(b"\\")
        fits = all(not part.strip() or _DECIMAL.fullmatch(part) for part in parts)
        return value if fits and _is_allowed(len(parts), attribute) else None
    width = _WIDTHS[attribute.vr[:2]]
    if len(value) % width or not _is_allowed(len(value) // width, attribute):
        return None
    if len(value) > _LONGEST_LIKELY_TEXT:
        return value
    is_text = _looks_like_text(value)
    is_text = is_text or (len(value) >= _SHORTEST_UTF_16 and _holds_utf_16(value))
    # One number is too short to tell.
    is_text = is_text or (len(value) > width and _looks_foreign(value.strip(b"\0 ")))
    return None if is_text else value


def _looks_like_text(value: bytes) -> bool:
    """Tell whether bytes are ASCII, all or most of a few, or hold a long run of letters."""
    if _PRINTABLE.fullmatch(value):
        return True
    if len(value) <= _FEW_BYTES and _WORD.search(value):
        return len(_NOT_PRINTABLE.findall(value)) <= len(value) // 4
    runs = (match[0] for match in _LETTERS.finditer(value))
    # Entries of a palette repeat a byte, as in AABBCC.
    return any(run[2::2] != run[1:-1:2] and run[1::2] != run[:-1:2] for run in runs)


def _holds_utf_16(value: bytes) -> bool:
    """Tell whether every other byte is zero, and the others spell a word."""
    for zeros, letters in ((value[1::2], value[::2]), (value[::2], value[1::2])):
        if not any(zeros):
            words = (match[0] for match in _UTF_16_WORD.finditer(letters))
            return any(list(word) not in (sorted(word), sorted(word)[::-1]) for word in words)
    return False


def _looks_foreign(value: bytes) -> bool:
    """Tell whether bytes are text in UTF-8, with escapes (ISO 2022), or a name of other letters."""
    if len(value) < _SHORTEST_FOREIGN:
        return False
    if _ESCAPE.search(value) or _FOREIGN_NAME.fullmatch(value):
        return True
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() and not text.isascii()


def _is_allowed(count: int, attribute: Attribute) -> bool:
    if attribute.vr[0] == "O" or " or OW" in attribute.vr:
        return True
    return count >= attribute.least and (attribute.most is None or count <= attribute.most)


PLUGIN = Rule(action="kept", clean=clean)
