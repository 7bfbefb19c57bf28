"""How much of what was planted is gone, and how much of the rest is still there."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sightline.deid.cleaning.spans import CleanedText
from tests.deid.reports.generating import Planted, Report

_PART = re.compile(r"[^\W_]+")
# Little words within dates and names of houses tell nothing.
_LITTLE = frozenset(["the", "of", "den", "der", "th", "st", "nd", "rd"])


class Score(NamedTuple):
    """Counts over many reports.

    Attributes:
        caught: identifiers of which no part stayed, by kind and whether the records know them.
        planted: all identifiers, in the same way.
        kept: words that are no identifier and stayed.
        words: all such words.
        missed: identifiers of which a part stayed, each with what stands around it.
        lost: words that went with no reason.
    """

    caught: Counter[tuple[str, bool]]
    planted: Counter[tuple[str, bool]]
    kept: int
    words: int
    missed: list[str]
    lost: list[str]

    def recall(self, *, is_known: bool) -> float:
        """Return the share of identifiers that are gone."""
        caught = sum(count for (_, known), count in self.caught.items() if known == is_known)
        return caught / sum(
            count for (_, known), count in self.planted.items() if known == is_known
        )

    @property
    def words_kept(self) -> float:
        """Return the share of other words that stayed."""
        return self.kept / self.words


def score_of(cleaned: Iterable[tuple[Report, CleanedText]]) -> Score:
    """Score cleaned reports; a part of an identifier that stays is a miss of the whole."""
    caught, planted = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
    kept = words = 0
    missed: list[str] = []
    lost: list[str] = []
    for report, result in cleaned:
        gone = bytearray(len(report.text))
        for span in result.spans:
            gone[span.offset : span.offset + span.length] = b"\1" * span.length
        for each in report.planted:
            planted[each.kind, each.is_known] += 1
            if _is_gone(report, each, gone):
                caught[each.kind, each.is_known] += 1
            else:
                around = report.text[max(0, each.start - 40) : each.end + 20]
                missed.append(f"{each.kind} {'known' if each.is_known else ''}: {around!r}")
        is_planted = bytearray(len(report.text))
        for each in report.planted:
            is_planted[each.start : each.end] = b"\1" * (each.end - each.start)
        for match in _PART.finditer(report.text):
            if any(is_planted[match.start() : match.end()]):
                continue
            words += 1
            is_kept = not any(gone[match.start() : match.end()])
            kept += is_kept
            if not is_kept:
                lost.append(report.text[max(0, match.start() - 30) : match.end() + 20])
    return Score(caught, planted, kept, words, missed, lost)


def rebuilt(report: Report, result: CleanedText) -> str:
    """Return the original, put together of the cleaned text and the spans."""
    parts, at = [], 0
    for span in result.spans:
        parts.append(result.text[at : span.cleaned_offset])
        parts.append(report.text[span.offset : span.offset + span.length])
        at = span.cleaned_offset + span.cleaned_length
    return "".join([*parts, result.text[at:]])


def _is_gone(report: Report, each: Planted, gone: bytearray) -> bool:
    return all(
        all(gone[match.start() : match.end()]) or match[0].lower() in _LITTLE
        for match in _PART.finditer(report.text, each.start, each.end)
    )
