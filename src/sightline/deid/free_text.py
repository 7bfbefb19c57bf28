"""Free text: the clinical story stays, the identity goes.

First what the records know of the patient is found, then what looks like an identifier: dates,
numbers, addresses, names after titles and roles. Each is replaced by what its kind is called; the
same person is the same surrogate in every text of a patient. PS3.15 Clean Descriptors Option
(113105) and Clean Structured Content Option (113104).
"""

import re
from collections.abc import Iterator, Sequence

from sightline.deid.cleaning.dates import Clock, birth_day, find_dates, is_moved
from sightline.deid.cleaning.known import (
    PATIENT,
    KnownNames,
    Occurrence,
    find_known_names,
    find_known_phrases,
    known_names,
)
from sightline.deid.cleaning.names import NameFinder
from sightline.deid.cleaning.patterns import find_patterns
from sightline.deid.cleaning.spans import KEPT, CleanedText, Found, replaced, settled
from sightline.deid.cleaning.words import (
    Languages,
    all_languages,
    ordered_languages,
    words_in,
)
from sightline.deid.contract import Context
from sightline.deid.known_identifiers import KnownIdentifiers
from sightline.errors import UnknownName

LONGEST = 65_536
"""Characters of the longest text that is looked at; no report is longer."""
TOO_LONG = "[TEXT TOO LONG]"

_OURS = re.compile(
    r"\[(?:MOVED ([^\[\]]{3,48})|PATIENT|NAME \d{5}|DATE|BIRTH DATE|ID|PHONE|EMAIL|URL"
    r"|ADDRESS|PLACE|INSTITUTION|WARD|TEXT TOO LONG)\]"
)
_MOST_PASSES = 4
_NEAR = re.compile(r"[\s,.^-]{1,3}")


def clean_text(
    text: str,
    known: KnownIdentifiers,
    context: Context,
    *,
    languages: Languages = (),
) -> CleanedText:
    """Return a text without the identifiers that are known or look like one.

    Deterministic for one patient and key; cleaning a cleaned text changes nothing. The time is
    linear in the length of the text, and of a text longer than `LONGEST` nothing leaves.

    Args:
        text: any text.
        known: what the records know of the patient.
        context: whose text it is: how dates move, and which key names people.
        languages: names of files in `languages`; all where none is given.

    Raises:
        UnknownName: There is no such language.
    """
    chosen = _checked(languages)
    if len(text) > LONGEST:
        whole = Found(0, len(text), "too_long", TOO_LONG)
        return replaced(text, [whole])
    names = known_names(known)
    result = replaced(text, _found(text, known, names, context=context, languages=chosen))
    for _ in range(_MOST_PASSES):
        # What a replacement uncovers, such as a label beside a name, is found in the next pass.
        more = settled(
            result.text, _found(result.text, known, names, context=context, languages=chosen)
        )
        if all(each.kind == KEPT for each in more):
            break
        result = replaced(text, [*_as_found(result), *_in_original(result, more)])
    return result


def _found(
    text: str,
    known: KnownIdentifiers,
    names: KnownNames,
    *,
    context: Context,
    languages: Languages,
) -> list[Found]:
    earlier = list(_earlier(text, languages))
    ours = bytearray(len(text))
    for each in earlier:
        ours[each.start : each.end] = b"\1" * (each.end - each.start)
    words = [word for word in words_in(text) if not ours[word.start]]
    ordered = ordered_languages(words, languages)
    births = frozenset(filter(None, map(birth_day, known.birth_dates)))
    clock = Clock(context.offset_days, births)
    occurrences = list(find_known_names(text, words, names))
    finder = NameFinder(text, words, languages=ordered, known=occurrences)
    return [
        *earlier,
        *find_known_phrases(text, known),
        *find_dates(text, ordered, clock),
        *find_patterns(text, ordered),
        *_names(text, finder, occurrences, context=context),
    ]


def _as_found(result: CleanedText) -> Iterator[Found]:
    for span in result.spans:
        surrogate = result.text[span.cleaned_offset : span.cleaned_offset + span.cleaned_length]
        yield Found(span.offset, span.offset + span.length, span.kind, surrogate)


def _in_original(result: CleanedText, found: Sequence[Found]) -> Iterator[Found]:
    """Return what was found in a cleaned text as it stands in the original."""
    spans = iter(result.spans)
    span, shift = next(spans, None), 0
    for each in found:
        while span is not None and span.cleaned_offset + span.cleaned_length <= each.start:
            shift = span.offset + span.length - span.cleaned_offset - span.cleaned_length
            span = next(spans, None)
        if each.kind != KEPT:
            yield each._replace(start=each.start + shift, end=each.end + shift)


def _checked(languages: Languages) -> Languages:
    every = tuple(sorted(all_languages()))
    for name in languages:
        if name not in every:
            raise UnknownName(
                f"no rules are known for texts in {name!r}", hint=f"Known: {', '.join(every)}."
            )
    return languages or every


def _earlier(text: str, languages: Languages) -> Iterator[Found]:
    """Find what an earlier cleaning wrote; what only looks so is no date and is not kept."""
    for match in _OURS.finditer(text):
        if match[1] is None or is_moved(match[1], languages):
            yield Found(match.start(), match.end(), KEPT, "")


def _names(
    text: str, finder: NameFinder, occurrences: Sequence[Occurrence], *, context: Context
) -> Iterator[Found]:
    named = finder.all()
    for start, end, person in _merged(text, [*named, *occurrences]):
        if person == PATIENT:
            yield Found(start, end, "patient", "[PATIENT]")
        else:
            number = context.vault.person_number(context.patient, person)
            yield Found(start, end, "name", f"[NAME {number:05}]")


def _merged(text: str, named: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Join stretches that overlap, or that name the same person and stand side by side."""
    current: tuple[int, int, str] | None = None
    for start, end, person in sorted(named, key=lambda each: (each[0], -each[1])):
        if current is None:
            current = (start, end, person)
            continue
        is_same = person == current[2] and _NEAR.fullmatch(text, current[1], start)
        if start < current[1] or is_same:
            known = PATIENT if PATIENT in {person, current[2]} else current[2]
            current = (current[0], max(end, current[1]), known)
        else:
            yield current
            current = (start, end, person)
    if current is not None:
        yield current
