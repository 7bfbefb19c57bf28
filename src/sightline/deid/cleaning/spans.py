"""What was found in a text, and the text without it."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_WORTH, _DIGIT = re.compile(r"\w"), re.compile(r"\d\D{0,2}\d\D{0,2}\d")
_NUMBERS = frozenset({"date", "id", "phone"})


class Found(NamedTuple):
    """An identifier: where it stands, its kind, and what takes its place."""

    start: int
    end: int
    kind: str
    surrogate: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One replaced identifier.

    Attributes:
        offset: of the identifier in the text as given.
        length: of the identifier.
        kind: such as `date`.
        cleaned_offset: of what took its place, in the cleaned text.
        cleaned_length: of what took its place.
    """

    offset: int
    length: int
    kind: str
    cleaned_offset: int
    cleaned_length: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CleanedText:
    """A text without its identifiers.

    Attributes:
        text: what may leave.
        counts: how many identifiers of each kind were replaced.
        spans: where, in order.
    """

    text: str
    counts: dict[str, int]
    spans: tuple[Span, ...]


KEPT = "kept"
"""Kind of what an earlier cleaning wrote: it stays."""


def replaced(text: str, found: Iterable[Found]) -> CleanedText:
    """Replace what was found; of two that overlap the first keeps its place."""
    parts: list[str] = []
    spans: list[Span] = []
    at = length = 0
    for each in settled(text, found):
        if each.kind == KEPT:
            continue
        parts += [text[at : each.start], each.surrogate]
        length += each.start - at
        spans.append(
            Span(
                offset=each.start,
                length=each.end - each.start,
                kind=each.kind,
                cleaned_offset=length,
                cleaned_length=len(each.surrogate),
            )
        )
        length += len(each.surrogate)
        at = each.end
    parts.append(text[at:])
    counts = Counter(each.kind for each in spans)
    return CleanedText(text="".join(parts), counts=dict(sorted(counts.items())), spans=tuple(spans))


def settled(text: str, found: Iterable[Found]) -> list[Found]:
    """Return what does not overlap, in order of the text; what is left of the later is kept too."""
    taken = bytearray(len(text))
    kept: list[Found] = []
    for each in found:
        for start, end in _free(taken, each.start, each.end):
            is_part = (start, end) != (each.start, each.end)
            worth = _DIGIT if is_part and each.kind in _NUMBERS else _WORTH
            if each.kind == KEPT or worth.search(text, start, end):
                kept.append(each._replace(start=start, end=end))
                taken[start:end] = b"\1" * (end - start)
    return sorted(kept)


def _free(taken: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    if taken.find(1, start, end) < 0:
        return [(start, end)]
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for at in range(start, end):
        if taken[at]:
            if begin is not None:
                found.append((begin, at))
            begin = None
        elif begin is None:
            begin = at
    if begin is not None:
        found.append((begin, end))
    return found
