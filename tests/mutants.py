"""Files that were whole once: seeds of every kind, and what chance makes of them."""

import contextlib
import functools
import io
import random
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import dataset_offset, open_elements
from sightline.formats.seg import write_seg
from tests.formats.sources import BY_HAND, KINDS, drawn_on
from tests.instances import part10_of, slice_of

_NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_PREAMBLE_BYTES = 132
_OWN_UID_BYTES = 9
_LARGEST_SEED_BYTES = 64 * 1024
_LONGEST_VALUE_BYTES = 4096
_ODD_VALUES = (
    b"",
    b"\0\0",
    b" ",
    b"\xff" * 8,
    b"-1",
    b"1e400",
    b"NaN",
    b"99999999999999999999",
    b"00000000",
    b"20240231",
    b"235961.9999999",
    b"\\" * 300,
    b"1\\2\\x",
    b"A" * 1000,
    b"^^^^^=====",
    b"../../../x",
    b"<script>",
    b"1.2." * 40,
    b"1.2.840.10008.1.2.1.98",
    b"ISO_IR 13\\ISO 2022 IR 87",
    b"\x1b$B\x1b(J\x1b",
    "Ä€𝄞\u2028".encode(),
)
_ODD_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE)


@functools.cache
def seeds(test_data: Path | None) -> tuple[bytes, ...]:
    """Return small whole files: our phantoms, and pydicom's own where the real data is there."""
    made = [part10_of(slice_of(1), syntax) for syntax in _NATIVE]
    made += [_compressed(syntax) for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless)]
    with tempfile.TemporaryDirectory() as folder:
        for name, write in KINDS.items():
            series = write(Path(folder) / name.replace(" ", "-"))
            made.append(series.files[0].read_bytes())
            made.append(
                write_seg(drawn_on(series), list(series.files), identity=BY_HAND, is_manual=True)
            )
    if test_data is not None:
        files = (path for path in (test_data / "dicom" / "pydicom").rglob("*") if path.is_file())
        contents = (path.read_bytes() for path in sorted(files))
        made += [each for each in contents if _PREAMBLE_BYTES < len(each) <= _LARGEST_SEED_BYTES]
    return tuple(made)


def _compressed(syntax: str) -> bytes:
    dataset = slice_of(1, size=64)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(syntax, generate_instance_uid=False)
    return part10_of(dataset, syntax)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender says of an instance, and its dataset."""

    sop_class: str
    syntax: str
    instance_uid: str
    dataset: bytes


@functools.cache
def sent_seeds(test_data: Path | None) -> tuple[tuple[bytes, Sent], ...]:
    """Return the seeds that a sender could send, each as a file and as it would."""
    found = []
    for content in seeds(test_data):
        with contextlib.suppress(NotDicom, InvalidDicomError, AttributeError):
            meta = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True).file_meta
            sop_class, instance_uid = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
            syntax, dataset = meta.TransferSyntaxUID, content[dataset_offset(content) :]
            if syntax.is_transfer_syntax and sop_class and len(instance_uid) >= _OWN_UID_BYTES:
                found.append((content, Sent(sop_class, syntax, instance_uid, dataset)))
    return tuple(found)


def sent_mutant(number: int, test_data: Path | None) -> Sent:
    """Return the dataset `number`, the same at every call, with an instance UID of its own.

    A deflated one keeps its UID: those are conflicts.
    """
    chance = random.Random(number)  # noqa: S311 - only damage is drawn
    content, seed = chance.choice(sent_seeds(test_data))
    damaged = bytearray(content)
    damage(damaged, content, chance)
    dataset = bytes(damaged[len(content) - len(seed.dataset) :])
    own_uid = f"1.9.{number:05}".ljust(len(seed.instance_uid), "7")
    own = dataset.replace(seed.instance_uid.encode(), own_uid.encode())
    instance_uid = seed.instance_uid if own == dataset else own_uid
    return Sent(seed.sop_class, seed.syntax, instance_uid, own)


def mutant(number: int, test_data: Path | None) -> bytes:
    """Return the file `number`, the same at every call."""
    chance = random.Random(number)  # noqa: S311 - only damage is drawn
    whole = seeds(test_data)
    seed = chance.choice(whole)
    content = bytearray(seed)
    damage(content, seed, chance)
    if chance.random() < 0.05:
        other = chance.choice(whole)
        start = chance.randrange(_PREAMBLE_BYTES, len(content) + _PREAMBLE_BYTES)
        content[start:] = other[chance.randrange(len(other)) :]
    return bytes(content)


def damage(content: bytearray, seed: bytes, chance: random.Random) -> None:
    """Damage half of them anywhere, and half in their values alone: those are read on."""
    if chance.random() < 0.5 and (values := _values_of(seed)):
        chosen = chance.sample(values, min(len(values), chance.choice((1, 1, 2, 4, 16))))
        for value in sorted(chosen, reverse=True):
            _replace(content, value, chance)
        return
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        chance.choice(_DAMAGES)(content, chance)


@functools.cache
def _values_of(seed: bytes) -> tuple[tuple[int, int, str], ...]:
    """Return where each short value of the top level lies, how long it is, and its length's form."""
    found = []
    with contextlib.suppress(NotDicom):
        elements = open_elements(seed)
        for _, _, start, length in elements if elements.content is seed else ():
            for form in (elements.encoding.order + "L", elements.encoding.order + "H"):
                (said,) = struct.unpack_from(form, seed, start - struct.calcsize(form))
                if said == length < _LONGEST_VALUE_BYTES:
                    found.append((start, length, form))
                    break
    return tuple(found)


def _replace(content: bytearray, value: tuple[int, int, str], chance: random.Random) -> None:
    start, length, form = value
    old = bytes(content[start : start + length])
    new = chance.choice((*_ODD_VALUES, old * 2, old[::-1], old[1:], chance.randbytes(length)))
    new += b" " * (len(new) % 2)
    content[start : start + length] = new
    struct.pack_into(form, content, start - struct.calcsize(form), len(new))


def _place(content: bytearray, chance: random.Random) -> int:
    """Prefer the header, where a byte means more than in the pixels."""
    end = len(content) if chance.random() < 0.3 else min(len(content), 2048)
    return chance.randrange(min(128, max(end - 1, 0)), max(end, 1))


def _flip(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance) % len(content)] ^= 1 << chance.randrange(8)


def _set(content: bytearray, chance: random.Random) -> None:
    form = chance.choice(("<B", "<H", "<L", ">L"))
    at = _place(content, chance)
    if at + 4 <= len(content):
        mask = (1 << 8 * struct.calcsize(form)) - 1
        struct.pack_into(form, content, at, chance.choice(_ODD_NUMBERS) & mask)


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[_place(content, chance) :]


def _remove(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    del content[at : at + chance.choice((1, 2, 8, 100))]


def _insert(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    content[at:at] = chance.randbytes(chance.choice((1, 2, 4, 64)))


def _repeat(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    content[at:at] = content[at : at + chance.choice((8, 64, 1000))] * chance.choice((1, 2, 50))


def _blank(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    size = len(content[at : at + chance.choice((4, 32, 400))])
    content[at : at + size] = bytes([chance.choice((0, 0xFF, 0x20))]) * size


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _set,
    _set,
    _cut,
    _remove,
    _insert,
    _repeat,
    _blank,
)
