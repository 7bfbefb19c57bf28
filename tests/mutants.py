"""Files that were whole once: seeds of every kind, and what chance makes of them."""

import functools
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from sightline.formats.seg import write_seg
from tests.formats.sources import BY_HAND, KINDS, drawn_on
from tests.instances import part10_of, slice_of

_NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_LARGEST_SEED_BYTES = 64 * 1024
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
        made += [each for each in contents if 132 < len(each) <= _LARGEST_SEED_BYTES]
    return tuple(made)


def _compressed(syntax: str) -> bytes:
    dataset = slice_of(1, size=64)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(syntax, generate_instance_uid=False)
    return part10_of(dataset, syntax)


def mutant(number: int, test_data: Path | None) -> bytes:
    """Return the file `number`, the same at every call."""
    chance = random.Random(number)  # noqa: S311 - only damage is drawn
    whole = seeds(test_data)
    content = bytearray(chance.choice(whole))
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        chance.choice(_DAMAGES)(content, chance)
    if chance.random() < 0.05:
        other = chance.choice(whole)
        content[chance.randrange(132, len(content) + 132) :] = other[chance.randrange(len(other)) :]
    return bytes(content)


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
