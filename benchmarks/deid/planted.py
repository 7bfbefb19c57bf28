"""Objects with identifiers in every place, and how many of them are left in what a tool wrote.

Two kinds of folder. Planted: each kind of object with a numbered identifier of the right kind in
every attribute of text, name, UID or date that PS3.15 Table E.1-1 names, at the top and in two
sequences, and in the places beyond the table: private attributes, overlays, curves, preamble, file
meta, padding, encoded text. Any parser reads it. Hostile: what the tests of the door plant,
in every attribute of the dictionary at four depths, with values that their VR does not allow, in
each transfer syntax and each kind of object that passes the door.
"""

import base64
import binascii
import csv
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from sightline.deid.attributes import storage_classes
from tests.deid import hostile
from tests.deid.hostile import HELD, Canaries, Tree

KINDS = {
    "CT": hostile.CT,
    "MR": hostile.MR,
    "PET": hostile.PT,
    "enhanced CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "enhanced MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "enhanced PET": "1.2.840.10008.5.1.4.1.1.130",
    "segmentation": "1.2.840.10008.5.1.4.1.1.66.4",
    "parametric map": "1.2.840.10008.5.1.4.1.1.30",
    "presentation state": "1.2.840.10008.5.1.4.1.1.11.1",
    "report": "1.2.840.10008.5.1.4.1.1.88.34",
    "key objects": "1.2.840.10008.5.1.4.1.1.88.59",
    "structure set": "1.2.840.10008.5.1.4.1.1.481.3",
    "dose": "1.2.840.10008.5.1.4.1.1.481.2",
    "registration": "1.2.840.10008.5.1.4.1.1.66.1",
}
SYNTAXES = (
    hostile.EXPLICIT,
    hostile.IMPLICIT,
    hostile.DEFLATED,
    hostile.BIG,
    *sorted(hostile.ENCAPSULATED),
)

_PLAIN_VRS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UT", "DA", "DT")
# Referenced Series, Radiopharmaceutical Information: sequences that a tool may keep.
_SEQUENCES = (0x00081115, 0x00540016)
_CURVE, _OVERLAY = 0x50000000, 0x60000000
_SHORTEST_RUN = 16
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){%d,}" % _SHORTEST_RUN)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{%d,}" % _SHORTEST_RUN)
UID_STEM = hostile.UID_STEM.encode()
_NUMBERED = re.compile(rb"KANARI(\d{5})|" + re.escape(UID_STEM) + rb"\.7?(\d{5})", re.IGNORECASE)
_UNNUMBERED = {
    "patient name": re.compile(rb"KANARI\^VOGEL", re.IGNORECASE),
    "patient id": re.compile(hostile.PATIENT_ID.encode(), re.IGNORECASE),
    "date": re.compile(hostile.DATE.encode()),
    "own UID": re.compile(re.escape(UID_STEM) + rb"\.\d(?!\d{4})"),
} | {
    f"name in {charset!r}": re.compile(re.escape(max(re.split(rb"[=^]", name), key=len)))
    for charset, name in hostile.UNICODE_NAMES.items()
}


def write_planted(folder: Path, *, kinds: int | None = None) -> Path:
    """Write one object of each kind, or of the first ones."""
    folder.mkdir()
    for number, (kind, sop_class_uid) in enumerate(list(KINDS.items())[:kinds]):
        canaries = _WellFormed()
        tree = hostile.base(sop_class_uid) | _own_uids(number)
        planted = _of_the_table(canaries) | _beyond_the_table(canaries, number)
        tree |= {tag: each for tag, each in planted.items() if tag not in tree}
        content = hostile.part10(tree, hostile.EXPLICIT, canaries, is_trailed=False)
        (folder / f"planted-{number:02d}-{kind.replace(' ', '-')}.dcm").write_bytes(content)
    return folder


def write_hostile(folder: Path, *, count: int | None = None) -> Path:
    """Write a CT in each transfer syntax, then each other kind; or the first `count` of them."""
    folder.mkdir()
    passing = sorted(uid for uid, each in storage_classes().items() if not each.reason)
    jobs = [(hostile.CT, syntax) for syntax in SYNTAXES]
    jobs += [(uid, hostile.EXPLICIT) for uid in passing if uid != hostile.CT]
    for number, (sop_class_uid, syntax) in enumerate(jobs[:count]):
        canaries = Canaries()
        tree = hostile.hostile(sop_class_uid, canaries) | _own_uids(number)
        # No parser but ours goes on after bytes that are no element, so one file has them.
        content = hostile.part10(tree, syntax, canaries, is_trailed=number == len(SYNTAXES))
        (folder / f"hostile-{number:02d}.dcm").write_bytes(content)
    return folder


def identifiers_in(content: bytes) -> set[str]:
    """Tell which identifiers are in a file: numbered ones by their number, others by their kind.

    Looked for as text in any case, in UTF-16, reversed, in hex, in base64, deflated and in national
    character sets. What only the scanner of the tests finds counts as one.
    """
    found: set[str] = set()
    for view in _views(content):
        found |= {(each[1] or each[2]).decode() for each in _NUMBERED.finditer(view)}
        found |= {what for what, pattern in _UNNUMBERED.items() if pattern.search(view)}
    return found or set(hostile.survivors(content)[:1])


class _WellFormed(Canaries):
    """Hands out UIDs whose components have no leading zero."""

    def value(self, vr: str) -> bytes:
        """Return the next identifier."""
        value = super().value(vr)
        return value.replace(UID_STEM + b".", UID_STEM + b".7") if vr == "UI" else value


def _own_uids(number: int) -> Tree:
    return {
        0x00080018: ("UI", f"{hostile.INSTANCE_UID}.{number}".encode()),
        0x0020000E: ("UI", f"{hostile.SERIES_UID}.{number}".encode()),
    }


def _of_the_table(canaries: Canaries) -> Tree:
    tree = _attributes(canaries)
    for sequence in _SEQUENCES:
        tree[sequence] = ("SQ", [_attributes(canaries)])
    return tree


def _attributes(canaries: Canaries) -> Tree:
    tree: Tree = {}
    text = resources.files("sightline.deid").joinpath("table_e1_1.csv").read_text()
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        tag = int(row["tag"], 16)
        if tag >> 16 in {0x0000, 0x0002, 0x0004} or not dictionary_has_tag(tag) or tag in HELD:
            continue
        vr = dictionary_VR(tag)
        if vr in _PLAIN_VRS:
            tree[tag] = (vr, canaries.value(vr))
    return tree


def _beyond_the_table(canaries: Canaries, number: int) -> Tree:
    value = canaries.value
    charsets = list(hostile.UNICODE_NAMES.items())
    charset, name = charsets[number % len(charsets)]
    block: Tree = {0x00090010: ("LO", value("LO"))}
    for place, vr in enumerate(_PLAIN_VRS):
        block[0x00091000 + place] = (vr, value(vr))
    block[0x00091080] = ("SQ", [{0x00100010: ("PN", value("PN"))}])
    block[0x00091081] = (
        "UN",
        hostile.encode([{0x00100010: ("PN", value("PN"))}], hostile.IMPLICIT),
    )
    block[0x00091082] = ("OB", value("LO").decode().encode("utf-16-le"))
    block[0x00091083] = ("UT", base64.b64encode(value("LO")))
    return block | {
        0x00080005: ("CS", charset),
        0x00081040: ("LO", name),
        0x00184000: ("LT", value("LO").hex().encode()),
        0x00204000: ("LT", base64.b64encode(b"seen by " + value("LO"))),
        0x0008FFFE: ("UN", value("UN")),
        _CURVE | 0x0022: ("LO", value("LO")),
        _OVERLAY | 0x0022: ("LO", value("LO")),
        _OVERLAY | 0x4000: ("LT", value("LT")),
        0xFFFCFFFC: ("OB", value("OB")),
    }


def _views(content: bytes) -> Iterator[bytes]:
    for each in (content, *hostile.inflated(content)):
        yield each
        yield each[::-1]
        yield each.replace(b"\0", b"")
        for run in _HEX.findall(each):
            yield bytes.fromhex(run.decode())
            yield bytes.fromhex(run[1:-1].decode())
        for run in _BASE64.findall(each):
            yield from _unpacked(run)


def _unpacked(run: bytes) -> Iterator[bytes]:
    for shift in range(4):
        part = run[shift:]
        try:
            yield base64.b64decode(part[: len(part) // 4 * 4], validate=True)
        except binascii.Error:
            continue
