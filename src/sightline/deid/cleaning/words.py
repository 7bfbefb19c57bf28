"""Words of a text, the forms in which they are compared, and what the lists say of them."""

import functools
import re
import unicodedata
from typing import NamedTuple, TypeAlias

from pydicom.sr.codedict import codes

from sightline.deid.attributes import read_lines
from sightline.deid.languages.contract import LANGUAGES, Language

Languages: TypeAlias = tuple[str, ...]

# Soft hyphens, joiners and combining marks hide in names; an apostrophe belongs to O'Brien.
_LETTER = r"[^\W\d_]"
_INNER = r"\u00ad\u200b-\u200d\u2060\u0300-\u036f"
_WORD = re.compile(rf"{_LETTER}(?:{_LETTER}|[{_INNER}])*(?:['’]{_LETTER}{{2,}})?")
_HIDDEN = re.compile(r"[\u00ad\u200b-\u200d\u2060]")
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_TAILS = re.compile(
    r"\w{3,}(?:tion|tionen|sion|itis|itiden|osis|oses|ose|osen|omas?|omata|emia|aemia|pathy|pathie"
    r"|pathies|graphy|graphie|grafie|graphies|scopy|skopie|ectomy|ektomie|plasty|plastik|logy|logie"
    r"|ological|ologisch|ologist|ization|isation|ness|eous|ible|able|ated|ular|ulär|ism|ismus|megaly"
    r"|megalie|iasis|iases|lysis|lyse|trophy|trophie|trophic|plasia|plasie|plastic|edema|oedema"
    r"|ectasis|ectasia|ektasie|lith|lithen|ically|ity|ities|ities|ität|keit|keiten|heit|heiten"
    r"|schaft|ungen|gramm?|gramme|ische|ischer|isches|ischen|liche|licher|liches|lichen"
    r"|ierte|ierter|iertes|ierung|weise|förmig|förmige|scopic|graphic|genic|genous|emic|otic|itic)"
)
_LOWER = re.compile(r"(?<![^\W\d_])[a-z]{4,}(?![^\W\d_])")
_SHORTEST_TAILED = 7
_SHORTEST_HEAD, _LONGEST_HEAD, _SHORTEST_REST = 4, 18, 3
_SHORTEST_USUAL_HEAD = 6
_SHORT_HEADS = frozenset(
    "zyste niere lunge leber venen vene nerv herde herd wand raum naht band saum rand knie tumor"
    " bauch organ achse blase drüse".split()
)
# Heads that family names end with, too.
_HEADS_OF_NAMES = frozenset({"stein", "steine", "wasser", "schlag", "kopfs", "winter", "sommer"})
_ORDINARY_FILES = ("words.txt", "terms.txt")


class Word(NamedTuple):
    """A run of letters."""

    start: int
    end: int
    text: str


def words_in(text: str) -> list[Word]:
    """Return the words of a text in order."""
    return [Word(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]


@functools.lru_cache(maxsize=65536)
def forms_of(word: str) -> tuple[str, ...]:
    """Return the forms in which a word is compared: `Müller` is `muller` and `mueller`."""
    lower = unicodedata.normalize("NFC", _HIDDEN.sub("", word)).casefold()
    spelled = _bare(lower.translate(_SPELLED_OUT))
    plain = _bare(lower)
    return (plain,) if plain == spelled else (plain, spelled)


def forms_of_record(word: str) -> set[str]:
    """Return the forms of a word of the records: `Mueller` is `muller`, too."""
    found = set(forms_of(word))
    for each in tuple(found):
        found.add(re.sub(r"([aou])e", r"\1", each))
    return found


@functools.lru_cache(maxsize=65536)
def is_ordinary(word: str) -> bool:
    """Tell whether a word is on a list of words, or is built as clinical words are."""
    forms = forms_of(word)
    if any(form in _ordinary() for form in forms):
        return True
    if is_listed_name(word):
        return False
    return any(_is_built(form) for form in (*forms, word.casefold()))


@functools.lru_cache(maxsize=65536)
def is_listed_name(word: str) -> bool:
    """Tell whether a word is on a list of names, given or family."""
    return is_given_name(word) or any(form in _names("family_names.txt") for form in forms_of(word))


@functools.lru_cache(maxsize=65536)
def is_given_name(word: str) -> bool:
    """Tell whether a word is on the list of given names."""
    return any(form in _names("given_names.txt") for form in forms_of(word))


@functools.lru_cache(maxsize=65536)
def is_eponym(word: str) -> bool:
    """Tell whether a word is a name that stands for a finding, an organ or a device."""
    return any(form in _names("eponyms.txt") for form in forms_of(word))


@functools.cache
def all_languages() -> dict[str, Language]:
    """Return every language by its name."""
    return LANGUAGES.all()


@functools.cache
def stop_words() -> frozenset[str]:
    """Return the little words of every language."""
    return frozenset().union(*(each.stop_words for each in all_languages().values()))


def ordered_languages(words: list[Word], known: Languages) -> Languages:
    """Return the languages, the one of which the text has the most little words first."""
    counts = dict.fromkeys(known, 0)
    for word in words:
        lower = word.text.lower()
        for name in known:
            counts[name] += lower in all_languages()[name].stop_words
    return tuple(sorted(known, key=lambda name: (-counts[name], known.index(name))))


def _is_built(form: str) -> bool:
    if len(form) >= _SHORTEST_TAILED and _TAILS.fullmatch(form):
        return True
    longest = min(len(form) - _SHORTEST_REST, _LONGEST_HEAD)
    return any(form[-size:] in _heads() for size in range(_SHORTEST_HEAD, longest + 1))


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each)).translate(_PLAIN)


@functools.cache
def _names(name: str) -> frozenset[str]:
    return frozenset(form for word in _words_of(f"languages/{name}") for form in forms_of(word))


@functools.cache
def _ordinary() -> frozenset[str]:
    files = [f"languages/{name}" for each in all_languages().values() for name in each.words]
    found = {word for name in (*_ORDINARY_FILES, *files) for word in _words_of(name)}
    for scheme in codes.schemes():
        for concept in getattr(codes, scheme).concepts.values():
            found.update(_LOWER.findall(concept.meaning))
    return frozenset(form for word in found for form in forms_of(word)) | stop_words()


@functools.cache
def _heads() -> frozenset[str]:
    files = [
        f"languages/{name}"
        for each in all_languages().values()
        if each.has_capital_nouns
        for name in each.words
    ]
    words = {form for name in files for word in _words_of(name) for form in forms_of(word)}
    heads = {word for word in words if len(word) >= _SHORTEST_USUAL_HEAD}
    return frozenset(heads | _SHORT_HEADS) - _HEADS_OF_NAMES - stop_words()


def _words_of(name: str) -> list[str]:
    return [word for line in read_lines(name) for word in line.split()]
