"""What the records know, found in text: in every order, spelling and spacing that is usual.

Names are looked up word by word in forms without case, accents and umlauts; long ones also with one
letter wrong. Numbers, streets, towns and institutions are looked up as phrases with loose
separators.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sightline.deid.cleaning.spans import Found
from sightline.deid.cleaning.words import (
    Word,
    all_languages,
    forms_of,
    forms_of_record,
    is_eponym,
    is_ordinary,
    stop_words,
)
from sightline.deid.known_identifiers import KnownIdentifiers
from sightline.deid.vocabulary import coded_words

PATIENT = ""
"""Key of the patient among the persons that names lead to; others have their surname."""

Persons = dict[str, str]

_SHORTEST_FUZZY, _LONGEST_FUZZY = 7, 40
_SHORTEST_ID, _SHORTEST_NAME = 4, 2
_MOST_PHRASES = 200
_LONGEST_PHRASE = 100
_SPLIT = re.compile(r"[^\w'’]+|_")
_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:[ \t][^\W\d_]){2,30}(?!\w)")
_BROKEN = re.compile(r"[-\u00ad\u2010]\r?\n[ \t]{0,4}")
_ARTICLES = frozenset("der die das den dem des im am ein eine einen the a an in this".split())
COMPANIONS = re.compile(
    r"(?:['’]s?)?[\s-]{1,2}(?:cyst|zyste|disease|krankheit|syndrom|lymphom|node|knoten|knötchen|catheter"
    r"|katheter|fracture|fraktur|sign|zeichen|test|classification|klassifikation|score|grad|raum"
    r"|line|linie|ligament|band|tendon|sehne|fat pad|fettkörper|duct|gang|operation|lesion|läsion"
    r"|deformit|contracture|kontraktur|hernia|hernie|procedure|phenomen|phänomen|canal|kanal"
    r"|fundoplicati|bypass|arc|stage|stadium|type|typ\b|exosto|karzinom|carcinoma|tumou?r"
    r"|effect|triad|index|scan|doppler|unit|einheit|space|pouch|pseudarthros|bod|körper|schlatter"
    r"|ganz|typisch|kleine|bakteri)",
    re.IGNORECASE,
)
"""What follows a name that is an eponym, such as `cyst`."""

_MORBUS = re.compile(
    r"(?:morbus|\bm\.|mb\.|grad [iv]{1,3} nach|nach|pouch of|duct of|ductus)\s{1,2}\Z",
    re.IGNORECASE,
)


_IS_SUBJECT = re.compile(
    r"(?:['’]s)?\s{1,2}(?:was|is|has|had|will|did|denies|reports|wurde|wird|ist|hat|war)\b",
    re.IGNORECASE,
)


class KnownNames:
    """The names of the records as they are looked up.

    Attributes:
        persons: by each form of each part of a name, whom it names.
    """

    def __init__(self, known: KnownIdentifiers) -> None:
        self.persons: Persons = {}
        for name in known.people:
            parts = _parts(name)
            for part in parts:
                # Operators are named CT, ADMIN or RADIOLOGY; such words stay.
                if len(part) > _SHORTEST_NAME and part.lower() not in coded_words():
                    self._enter(part, forms_of(parts[0])[0])
        for name in known.names:
            for part in _parts(name):
                self._enter(part, PATIENT)
        self._near: dict[str, set[str]] = {}
        for form in self.persons:
            if _SHORTEST_FUZZY <= len(form) <= _LONGEST_FUZZY:
                for near in _shortened(form):
                    self._near.setdefault(near, set()).add(form)
        own = [form for form, person in self.persons.items() if person == PATIENT]
        self._glued = {one + other: PATIENT for one in own[:24] for other in own[:24]}
        self._look_up = functools.lru_cache(maxsize=16384)(self._person_of)

    def person_of(self, word: str) -> str | None:
        """Return whom a word names; None for nobody."""
        return self._look_up(word)

    def is_exact(self, word: str) -> bool:
        """Tell whether a word is a name of the records letter by letter."""
        return any(form in self.persons for form in forms_of(word))

    def _person_of(self, word: str) -> str | None:
        forms = forms_of(word)
        for table in (self.persons, self._glued):
            for form in forms:
                if form in table:
                    return table[form]
        if not word[0].isupper() or is_ordinary(word) or is_eponym(word):
            return None
        for form in forms:
            if _SHORTEST_FUZZY - 1 <= len(form) <= _LONGEST_FUZZY:
                for near in (form, *_shortened(form)):
                    for candidate in self._near.get(near, ()):
                        if _is_one_off(form, candidate):
                            return self.persons[candidate]
        return None

    def _enter(self, part: str, person: str) -> None:
        for form in forms_of_record(part):
            self.persons[form] = person


class Occurrence(NamedTuple):
    """A stretch of text that names a person of the records."""

    start: int
    end: int
    person: str


def find_known_names(text: str, words: Sequence[Word], names: KnownNames) -> Iterator[Occurrence]:
    """Find the words that name somebody of the records."""
    if not names.persons:
        return
    for number, word in enumerate(words):
        person = names.person_of(word.text)
        if person is not None:
            if _is_name_here(text, words, number, names=names):
                yield Occurrence(word.start, word.end, person)
            continue
        yield from _in_parts(text, words, number, names=names)
    for match in _SPACED.finditer(text):
        person = names.person_of(re.sub(r"\s", "", match[0]))
        if person is not None:
            yield Occurrence(match.start(), match.end(), person)


def _in_parts(
    text: str, words: Sequence[Word], number: int, *, names: KnownNames
) -> Iterator[Occurrence]:
    """Find a name that is written together with others, or broken at the end of a line."""
    word = words[number]
    if not word.text.islower() and not word.text.isupper():
        for match in re.finditer(r"[^\W\d_a-zäöüß][^\W\dA-ZÄÖÜ_]+", word.text):
            person = names.person_of(match[0]) if match[0] != word.text else None
            if person is not None and len(match[0]) > 3:  # noqa: PLR2004 - as `McDonald` has
                yield Occurrence(word.start + match.start(), word.start + match.end(), person)
    if number + 1 < len(words) and _BROKEN.fullmatch(text, word.end, words[number + 1].start):
        person = names.person_of(word.text + words[number + 1].text)
        if person is not None:
            yield Occurrence(word.start, words[number + 1].end, person)


def _is_name_here(  # noqa: PLR0911 - the first condition that holds decides
    text: str, words: Sequence[Word], number: int, *, names: KnownNames
) -> bool:
    """Tell whether a word that names somebody does so here: not in `Baker cyst`, not in `klein`."""
    word = words[number]
    lower = word.text.lower()
    before, after = text[max(0, word.start - 24) : word.start], text[word.end : word.end + 24]
    beside = [words[at].text for at in (number - 1, number + 1) if 0 <= at < len(words)]
    has_neighbour = any(
        names.is_exact(each) and not (each.islower() or each.lower() in stop_words())
        for each in beside
    )
    if is_eponym(word.text) and (COMPANIONS.match(after) or _MORBUS.search(before)):
        return False
    if word.text.islower() and (lower in stop_words() or len(lower) <= _SHORTEST_NAME):
        return False
    if lower in stop_words() or len(word.text) <= _SHORTEST_NAME:
        return has_neighbour or _IS_SUBJECT.match(after) is not None or _is_titled(beside[:1])
    if not is_ordinary(word.text):
        return True
    if word.text.islower():
        return False
    if has_neighbour:
        return True
    return not beside or number == 0 or words[number - 1].text.lower() not in _ARTICLES


def _is_titled(before: Sequence[str]) -> bool:
    return any(word.lower() in each.titles for word in before for each in all_languages().values())


def find_known_phrases(text: str, known: KnownIdentifiers) -> Iterator[Found]:
    """Find numbers, streets, towns, institutions and telephone numbers of the records."""
    for pattern, kind, surrogate in _phrases(known):
        for match in pattern.finditer(text):
            yield Found(match.start(), match.end(), kind, surrogate)


@functools.lru_cache(maxsize=64)
def known_names(known: KnownIdentifiers) -> KnownNames:
    """Return the names of the records as they are looked up; the last few are remembered."""
    return KnownNames(known)


@functools.lru_cache(maxsize=64)
def _phrases(known: KnownIdentifiers) -> tuple[tuple[re.Pattern[str], str, str], ...]:
    kinds = (
        (known.institutions, _phrase, "institution", "[INSTITUTION]"),
        (known.addresses, _phrase, "address", "[ADDRESS]"),
        (known.ids, _number, "id", "[ID]"),
        (known.phones, _phone, "phone", "[PHONE]"),
        (_with_towns(known.places), _phrase, "place", "[PLACE]"),
    )
    found = ((_any_of(values, form), kind, label) for values, form, kind, label in kinds)
    return tuple((pattern, kind, label) for pattern, kind, label in found if pattern is not None)


def _any_of(values: Iterable[str], pattern_of: Callable[[str], str]) -> re.Pattern[str] | None:
    patterns = {pattern_of(value) for value in values if len(value) <= _LONGEST_PHRASE} - {""}
    chosen = sorted(patterns, key=lambda each: (-len(each), each))[:_MOST_PHRASES]
    return re.compile("|".join(chosen), re.IGNORECASE) if chosen else None


def _phrase(value: str) -> str:
    """Return a pattern for words in a row, whatever separates them."""
    words = re.findall(r"[^\W_]+", value)
    is_word = len(words) == 1 and is_ordinary(words[0])
    if sum(map(len, words)) < _SHORTEST_ID or is_word or all(map(_says_nothing, words)):
        return ""
    loose = r"[\W_]{0,3}".join("".join(map(_letter, word)) for word in words)
    return rf"(?<![^\W_]){loose}(?![^\W_])"


def _says_nothing(word: str) -> bool:
    return is_ordinary(word) and word.lower() in {
        *("radiology", "radiologie", "department", "abteilung", "institut", "clinic", "klinik"),
        *("hospital", "krankenhaus", "for", "für", "of", "and", "und", "the", "der", "ct", "mr"),
    }


def _letter(letter: str) -> str:
    spellings = {"ä": "ae", "ö": "oe", "ü": "ue"}
    lower = letter.lower()
    if lower in spellings:
        return f"(?:{lower}|{spellings[lower]}|{spellings[lower][0]}\\u0308?)"
    return "(?:ß|ss)" if lower == "ß" else re.escape(letter)


def _number(value: str) -> str:
    """Return a pattern for a number, with other separators and other leading zeros."""
    signs = re.findall(r"[^\W_]", value)
    bare = "".join(signs).lstrip("0")
    # Four digits are a year, or the repetition time of a sequence.
    shortest = _SHORTEST_ID + bare.isdigit()
    if len(bare) < shortest or not any(map(str.isdigit, bare)):
        return ""
    return rf"(?<![^\W_])0{{0,9}}{_SEPARATED.join(map(re.escape, bare))}(?![^\W_])"


def _phone(value: str) -> str:
    digits = "".join(re.findall(r"\d", value))
    if value.lstrip().startswith(("+", "00")):
        digits = digits.lstrip("0")[2 if not value.lstrip(" +0").startswith("1") else 1 :]
    digits = digits.lstrip("0")
    if len(digits) < _SHORTEST_ID + 2:
        return ""
    core = r"[\s()/.-]{0,3}".join(digits)
    return rf"(?<!\d)(?:(?:\+|00)\d{{1,3}}[\s-]?)?\(?0?\)?[\s(]{{0,2}}{core}(?!\d)"


_SEPARATED = r"[\s./_-]{0,2}"


def _with_towns(places: Sequence[str]) -> list[str]:
    """Add to each town with a postcode the town alone."""
    towns = [re.sub(r"[A-Z]{0,2}-?\d[\w-]*(?:\s\d[A-Z]{2})?", "", place) for place in places]
    alone = [town.split(",")[0].strip() for town in towns]
    return [*places, *(town for town in alone if not all(map(is_ordinary, town.split() or [""])))]


def _parts(name: str) -> list[str]:
    """Return the parts of a name, the family name first; titles and little words are none."""
    groups = name.split("=")
    components = [part for group in groups for part in group.split("^")[:3]]
    words = [word for part in components for word in _SPLIT.split(part)]
    no_names = frozenset().union(
        *(each.titles | each.title_parts | each.credentials for each in all_languages().values())
    )
    return [
        word
        for word in words
        if len(word) >= _SHORTEST_NAME
        and word.lower().strip(".") not in no_names
        and not (word.islower() and word in stop_words())
    ]


def _shortened(form: str) -> set[str]:
    return {form[:at] + form[at + 1 :] for at in range(len(form))}


def _is_one_off(one: str, other: str) -> bool:
    """Tell whether one letter is wrong, missing, too much, or two are exchanged."""
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    if one[at + 1 :] == other[at + 1 :]:
        return True
    return one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
