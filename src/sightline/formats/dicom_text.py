"""DICOM text to Unicode, in every character set of PS3.3 C.12.1.1.2, without ever failing."""

import re

from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, python_encoding

LONGEST_VALUES = {"LO": 64, "SH": 16, "ST": 1024, "LT": 10_240}
"""Characters of one value, by VR (PS3.5 6.2)."""

_ESCAPE = b"\x1b"
_FRAGMENT = re.compile(rb"[^\x1b]+|\x1b[^\x1b]*")
_DELIMITER = re.compile(rb"[\\^=\r\n\t\f]")
# Their Python codecs want to see the escape sequences.
_KEEPS_ESCAPE = frozenset({"iso2022_jp", "iso2022_jp_2"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def charset_of(value: bytes) -> str:
    """Tell the Python codec of a Specific Character Set's first value; unknown ones are Latin-1."""
    first = value.split(b"\\")[0].decode("latin-1").strip("\0 ")
    return python_encoding.get(first.replace("ISO IR", "ISO_IR"), default_encoding)


def decode(value: bytes, charset: str) -> str:
    """Decode a text value; bytes that the character set lacks become U+FFFD.

    Padding and control characters are dropped.
    """
    if _ESCAPE in value:
        text = "".join(_decode_fragment(part, charset) for part in _FRAGMENT.findall(value))
    else:
        text = value.decode(charset, errors="replace")
        if text.isprintable():
            return text.strip()
    return _CONTROL.sub("", text).strip()


def _decode_fragment(fragment: bytes, charset: str) -> str:
    if not fragment.startswith(_ESCAPE):
        return fragment.decode(charset, errors="replace")
    length = 4 if fragment.startswith((b"\x1b$(", b"\x1b$)")) else 3
    codec = CODES_TO_ENCODINGS.get(fragment[:length])
    if codec is None:
        return fragment[length:].decode(charset, errors="replace")
    if codec in _KEEPS_ESCAPE:
        return fragment.decode(codec, errors="replace")
    fragment = fragment[length:]
    # PS3.5 6.1.2.5.3: a delimiter returns to the first character set.
    delimiter = _DELIMITER.search(fragment)
    end = delimiter.start() if delimiter else len(fragment)
    return fragment[:end].decode(codec, errors="replace") + fragment[end:].decode(
        charset, errors="replace"
    )
