"""Datasets without the start of a file: what older programs and some modalities write.

PS3.10 7.1 asks for a preamble, `DICM` and a file meta group. Where they lack, the encoding is
judged by the bytes alone, and only what reads as one whole instance in exactly one encoding counts.
"""

import struct

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import PIXEL_DATA, open_elements
from sightline.formats.dicom_file import part10, read_header

_START = bytes(128) + b"DICM"
_IMPLICIT_LITTLE, _EXPLICIT_LITTLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_META, _FIRST = 0x0002, 0x0008
_LONGEST_FIRST_VALUE = 1024
_UNDEFINED = b"\xff\xff\xff\xff"
_VRS = frozenset({b"UL", b"UI", b"CS", b"SH", b"LO", b"OB", b"DA", b"TM", b"DT", b"IS"})


def has_start(head: bytes) -> bool:
    """Tell whether a file begins as Part 10 asks."""
    return head[128:132] == b"DICM"


def may_be_bare(head: bytes) -> bool:
    """Tell whether a file may be a dataset without its start, by its first bytes."""
    return bool(_encodings(head))


def with_start(content: bytes) -> bytes:
    """Return the Part 10 file of a bare dataset, whose own bytes stay as they are.

    Raises:
        NotDicom: It is none, or more than one encoding would do.
    """
    if int.from_bytes(content[:2], "little") == _META:
        whole = _START + content
        read_header(whole)
        return whole
    found = [whole for syntax in _encodings(content) if (whole := _read_as(content, syntax))]
    if len(found) != 1:
        raise NotDicom(
            "it begins like a DICOM dataset without its start, and cannot be read as one",
            hint="`dcmconv` of DCMTK adds preamble and file meta; then it can be read.",
        )
    return found[0]


def _encodings(head: bytes) -> list[str]:
    """List the transfer syntaxes that the first element may be written in."""
    if len(head) < 12:  # noqa: PLR2004 - the head of one element
        return []
    group, number = struct.unpack("<HH", head[:4])
    is_explicit = head[4:6] in _VRS
    if group == _META and number <= 0x0010:  # noqa: PLR2004 - where a file meta group may begin
        return [_EXPLICIT_LITTLE] if is_explicit else []
    if group == _FIRST and number <= 0x0100:  # noqa: PLR2004 - where a dataset may begin
        (length,) = struct.unpack("<L", head[4:8])
        if is_explicit:
            return [_EXPLICIT_LITTLE]
        return [_IMPLICIT_LITTLE] if length <= _LONGEST_FIRST_VALUE else []
    group, number = struct.unpack(">HH", head[:4])
    is_big = group == _FIRST and number <= 0x0100 and is_explicit  # noqa: PLR2004 - the same
    return [_EXPLICIT_BIG] if is_big else []


def _read_as(content: bytes, transfer_syntax_uid: str) -> bytes:
    """Return the file that the dataset makes in an encoding; nothing where it makes none."""
    draft = _file(content, ("1.2.3", "1.2.3"), transfer_syntax_uid)
    try:
        header = read_header(draft)
        elements = open_elements(draft)
        if any(_is_compressed(draft, each.tag, each.start) for each in elements):
            return b""
    except NotDicom:
        return b""
    return _file(content, (header.sop_class_uid, header.instance_uid), transfer_syntax_uid)


def _is_compressed(content: bytes, tag: int, start: int) -> bool:
    # Nothing says by which method.
    return tag in PIXEL_DATA and content[start - 4 : start] == _UNDEFINED


def _file(content: bytes, uids: tuple[str, str], transfer_syntax_uid: str) -> bytes:
    return part10(
        content,
        sop_class_uid=uids[0],
        sop_instance_uid=uids[1],
        transfer_syntax_uid=transfer_syntax_uid,
    )
