"""Plain attributes of a dataset's top level, read straight from their bytes."""

import dataclasses
import math
import struct
from collections.abc import Iterable, Mapping

from sightline.formats.dicom_elements import Element, Elements

_LARGEST_VALUE_BYTES = 1024


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Attributes:
    """Short values by tag; what is missing or malformed is empty or None, never an error."""

    values: Mapping[int, bytes]
    is_little: bool

    @classmethod
    def of(cls, elements: Elements, found: Iterable[Element]) -> "Attributes":
        """Keep the short values of elements that were found; of long ones only the presence."""
        values = {
            element.tag: elements.value(element) if element.length <= _LARGEST_VALUE_BYTES else b""
            for element in found
        }
        return cls(values=values, is_little=elements.encoding.is_little)

    def has(self, tag: int) -> bool:
        """Tell whether the dataset holds the element."""
        return tag in self.values

    def text(self, tag: int) -> str:
        """A value in the default character repertoire; several stay joined by backslashes."""
        return self.values.get(tag, b"").decode("latin-1").strip("\0 ")

    def numbers(self, tag: int, count: int) -> tuple[float, ...]:
        """Decimal strings (DS); empty unless there are `count` finite ones."""
        try:
            numbers = tuple(float(part) for part in self.text(tag).split("\\"))
        except ValueError:
            return ()
        return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else ()

    def short(self, tag: int) -> int | None:
        """An unsigned short (US)."""
        value = self.values.get(tag, b"")
        if len(value) < 2:  # noqa: PLR2004 - a US is two bytes
            return None
        return int.from_bytes(value[:2], "little" if self.is_little else "big")

    def doubles(self, tag: int, count: int) -> tuple[float, ...]:
        """Doubles (FD); empty unless there are `count` finite ones."""
        return self._unpack(tag, count, "d")

    def floats(self, tag: int, count: int) -> tuple[float, ...]:
        """Floats (FL); empty unless there are `count` finite ones."""
        return self._unpack(tag, count, "f")

    def private(self, group: int, creator: str, element: int) -> int:
        """The tag of a private element (PS3.5 7.8.1); 0 where nobody reserved its block."""
        for tag in self.values:
            if tag >> 16 == group and tag & 0xFF00 == 0 and self.text(tag) == creator:
                return group << 16 | (tag & 0xFF) << 8 | element
        return 0

    def integer(self, tag: int) -> int | None:
        """An integer string (IS)."""
        text = self.text(tag)
        return int(text) if text.isascii() and text.isdigit() else None

    def _unpack(self, tag: int, count: int, code: str) -> tuple[float, ...]:
        layout = struct.Struct(f"{'<' if self.is_little else '>'}{count}{code}")
        value = self.values.get(tag, b"")
        if len(value) != layout.size:
            return ()
        numbers: tuple[float, ...] = layout.unpack(value)
        return numbers if all(map(math.isfinite, numbers)) else ()
