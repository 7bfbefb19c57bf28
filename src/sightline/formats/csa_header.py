"""CSA headers: what Siemens MR scanners say of an image in a private attribute.

The layout is the one that nibabel documents. What is wanted of it is read in bounds, and nothing
else of it is looked at.
"""

import struct
from collections.abc import Collection, Mapping, Sequence

from sightline.errors import NotDicom

_MOST_TAGS, _MOST_ITEMS = 1000, 1000
_TAG = struct.Struct("<64si4s3i")
_ITEM = struct.Struct("<4i")
_NEW, _UNUSED = b"SV10\4\3\2\1", 77
_CHECK, _FLOAT_TYPE, _FLOAT_VR = 205, 4, b"FD"


def read_csa(content: bytes, wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Read elements of a CSA header, old or new (`SV10`), by name; empty items are left out.

    Raises:
        NotDicom: It is broken, or claims more than a header holds.
    """
    is_new = content[:4] == b"SV10"
    offset = 8 if is_new else 0
    try:
        count = struct.unpack_from("<I", content, offset)[0]
        if count > _MOST_TAGS:
            raise _broken()
        offset += 8
        found: dict[str, tuple[str, ...]] = {}
        excess = None
        for _ in range(count):
            name, _, _, _, items, _ = _TAG.unpack_from(content, offset)
            # The old header gives a length as an excess over the number of its first tag's items.
            excess = items if excess is None else excess
            offset += _TAG.size
            text = name.split(b"\0")[0].decode("latin-1")
            values, offset = _items(content, offset, items, excess=None if is_new else excess)
            if text in wanted:
                found[text] = tuple(value for value in values if value)
    except struct.error as error:
        raise _broken() from error
    return found


def _items(content: bytes, offset: int, count: int, *, excess: int | None) -> tuple[list[str], int]:
    if not 0 <= count <= _MOST_ITEMS:
        raise _broken()
    values = []
    for _ in range(count):
        lengths = _ITEM.unpack_from(content, offset)
        offset += _ITEM.size
        length = lengths[1] if excess is None else lengths[0] - excess
        if not 0 <= length <= len(content) - offset:
            raise _broken()
        values.append(content[offset : offset + length].split(b"\0")[0].decode("latin-1").strip())
        offset += -(-length // 4) * 4
    return values, offset


def write_csa(said: Mapping[str, Sequence[str]]) -> bytes:
    """Write a new CSA header that says these names and numbers."""
    parts = [_NEW, struct.pack("<2I", len(said), _UNUSED)]
    for name, values in said.items():
        count = len(values)
        parts.append(_TAG.pack(name.encode(), count, _FLOAT_VR, _FLOAT_TYPE, count, _CHECK))
        for value in values:
            content = value.encode() + b"\0"
            length = len(content)
            parts.append(_ITEM.pack(length, length, _UNUSED, length) + content + bytes(-length % 4))
    return b"".join(parts)


def _broken() -> NotDicom:
    return NotDicom("a broken CSA header", hint="Ask the sender for the file again.")
