"""Numbers, addresses, places and ages in text that no record knows: found by how they look."""

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

from sightline.deid.cleaning.expressions import any_case, joined
from sightline.deid.cleaning.spans import Found
from sightline.deid.cleaning.words import Languages, all_languages, is_ordinary
from sightline.deid.vocabulary import clinical_words

_OLDEST_YEARS, _NO_AGE = 89, 140
_OLD = "90+"
_WORD = re.compile(r"[^\W\d_]+")
_LINE_END = re.compile(r"\r?\n")

_LEADS_TO = re.compile(
    r"(?<![^\W_])(?:FROM|AT|TO|IN|ON|BY|VIA|INTO|AUS|IM|VOM|INS|ZUM|VON|DURCH|IMAGING)\s{1,2}"
)
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?@\s?[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", re.IGNORECASE
)
_URL = re.compile(r"(?<!\w)(?:https?://|ftp://|www\.)[^\s<>\"\]]{3,300}", re.IGNORECASE)
_UID = re.compile(r"(?<![\d.])[0-2](?:\.\d{1,40}){5,30}(?!\d)")
_PHONES = re.compile(
    r"(?<![\w+])(?:"
    r"(?:\+|00)\d{1,3}[\s./()-]{0,3}(?:\(0\)\s?)?\d{1,5}(?:[\s./()-]{1,2}\d{1,8}){1,5}"
    r"|\+\d{7,15}"
    r"|\(0?\d{2,5}\)[\s/-]{0,2}\d{2,8}(?:[\s-]\d{1,6}){0,4}"
    r"|0\d{2,5}\s?[/-]\s?\d{3,9}(?:[\s-]{1,2}\d{1,6}){0,4}"
    r"|0\d{2,5}(?:\s\d{2,8}){1,4}(?:-\d{1,5})?"
    r"|[2-9]\d{2}[-.]\d{3}[-.]\d{4}|[2-9]\d{2} \d{3}-\d{4}"
    r"|0\d{9,11})(?!\d)"
)
# Social security and insurance numbers: US, UK, Germany, Switzerland, Austria; IBAN.
_NATIONAL = re.compile(
    r"(?<![\w.-])(?:\d{3}-\d{2}-\d{4}|[A-CEGHJ-PR-TW-Z]{2}\s?\d{2}\s?\d{2}\s?\d{2}\s?[A-D]"
    r"|\d{3}\s\d{3}\s\d{4}|[A-Z]\d{9}|\d{2}\s?\d{6}\s?[A-Z]\s?\d{3}|756\.\d{4}\.\d{4}\.\d{2}"
    r"|[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,4})?)(?![\w-])"
)
_VALUE = (
    r"(?=(?:[A-Za-z./_-]{0,8}\d){3})[A-Za-z0-9](?:[A-Za-z0-9]|[./_-](?=[A-Za-z0-9])){2,30}"
    r"(?:\s\d{2,6}){0,4}"
)
_LONG_NUMBER = re.compile(r"(?<![\w.,/-])\d{7,24}(?![\w]|[.,]\d)(?!\s?(?:mm|cm|ml|/))")
_MIXED = re.compile(
    r"(?<![\w./-])(?=[A-Za-z0-9._/-]{6,32}(?![A-Za-z0-9]))(?:[A-Za-z]{1,6}[._/-]?)?\d{1,10}"
    r"(?:[._/-]?[A-Za-z0-9]{1,10}){0,5}(?![\w])"
)
_FEWEST_DIGITS = 6
_MEASURED = re.compile(
    r"(?:\d{1,4}/){1,5}\d{1,4}|\d{1,4}(?:[.,]\d+)?(?:[xX*]\d{1,4}(?:[.,]\d+)?){1,3}|\d+[.,]\d+"
)


class _Patterns(NamedTuple):
    ids: re.Pattern[str]
    phones: re.Pattern[str]
    streets: re.Pattern[str]
    towns: re.Pattern[str]
    led_places: re.Pattern[str]
    institutions: re.Pattern[str]
    wards: re.Pattern[str]
    ages: re.Pattern[str]
    led_ages: re.Pattern[str]


def find_patterns(text: str, languages: Languages) -> Iterator[Found]:
    """Find what looks like an identifier, apart from dates and names."""
    patterns = _compiled(languages)
    yield from _each(_EMAIL, text, "email")
    yield from _each(_URL, text, "url")
    yield from _each(_UID, text, "id")
    yield from _each(patterns.phones, text, "phone", group=1)
    yield from _each(patterns.ids, text, "id", group=1)
    yield from _each(_PHONES, text, "phone")
    yield from _each(_NATIONAL, text, "id")
    yield from _institutions(patterns.institutions, text)
    yield from _each(patterns.streets, text, "address")
    yield from _each(patterns.towns, text, "place")
    yield from _led_places(patterns.led_places, text)
    yield from _each(patterns.wards, text, "ward", group=1)
    yield from _each(_LONG_NUMBER, text, "id")
    yield from _mixed(text)
    for pattern in (patterns.ages, patterns.led_ages):
        for match in pattern.finditer(text):
            if _OLDEST_YEARS < int(match[1]) < _NO_AGE:
                yield Found(match.start(1), match.end(1), "age", _OLD)


def _each(pattern: re.Pattern[str], text: str, kind: str, *, group: int = 0) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(match.start(group), match.end(group), kind, f"[{kind.upper()}]")


def _institutions(pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        start, end = match.span()
        if match[0].isupper():
            # In capitals a name begins where the sentence has led to it.
            leads = list(_LEADS_TO.finditer(text, start, end))
            start = leads[-1].end() if leads else start
        # A line that only words follow belongs to the letter, not to the name of the house.
        for broken in reversed(list(_LINE_END.finditer(text, start, end))):
            is_ended = pattern.fullmatch(text, start, broken.start()) is not None
            if is_ended and all(map(is_ordinary, _WORD.findall(text, broken.end(), end))):
                end = broken.start()
        words = _WORD.findall(text, start, end)
        if len(words) > 1 or not is_ordinary(words[0]):
            if all(word.lower() in clinical_words() for word in words[:-1]) and words[:-1]:
                continue
            yield Found(start, end, "institution", "[INSTITUTION]")


def _led_places(pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        if match[1][0].isupper() and not is_ordinary(re.split(r"[\s-]", match[1])[0]):
            yield Found(match.start(1), match.end(1), "place", "[PLACE]")


def _mixed(text: str) -> Iterator[Found]:
    for match in _MIXED.finditer(text):
        digits = sum(map(str.isdigit, match[0]))
        if digits >= _FEWEST_DIGITS and not _MEASURED.fullmatch(match[0]):
            yield Found(match.start(), match.end(), "id", "[ID]")


@functools.cache
def _compiled(languages: Languages) -> _Patterns:
    chosen = [all_languages()[name] for name in languages]

    said = functools.partial(joined, chosen)
    number = r"(?:[\s.:]{0,2}(?:id|no|nr|number|nummer|num|#|code))?"
    return _Patterns(
        ids=any_case(
            rf"(?<![^\W_])(?=[^\W\d_])(?:{said('id_labels')}){number}[\s.:#=()]{{1,5}}({_VALUE})(?![\w])"
        ),
        phones=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('phone_labels')})[\s.:]{{0,4}}"
            r"(?:(?:no|nr|number|nummer|intern)[\s.:]{1,3})?"
            r"((?:\+|\()?\d(?:(?:[\s()/-]|\.(?=\d)){0,3}\d){2,16})(?![\w])(?!\s?(?:mm|cm|ml|%|HU))"
        ),
        streets=re.compile(rf"(?<![^\W_])(?:{said('streets')})"),
        towns=re.compile(rf"(?<![^\W_])(?:{said('towns')})(?![^\W_])"),
        led_places=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('place_leads')})[\s:]{{1,3}}"
            r"((?-i:[A-ZÄÖÜ][^\W\d_]{2,24}(?:[ -][A-ZÄÖÜ][^\W\d_]{2,20}){0,2}))"
        ),
        institutions=re.compile(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('institutions')})(?![^\W\d_])"
        ),
        wards=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('wards')})[\s:.]{{1,3}}"
            r"((?:[A-Z]{0,2}[\s-]?\d{1,4}(?:[./-]?[A-Z0-9]{1,3})?))(?![\w])(?!\s?(?:mm|cm|ml|%))"
        ),
        ages=any_case(rf"(?<![\d.,])(\d{{2,3}})(?:{said('ages')})"),
        led_ages=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('age_labels')})[\s:]{{1,3}}(\d{{2,3}})(?![\d+]|[.,]\d)"
        ),
    )
