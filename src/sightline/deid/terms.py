"""Coded strings: kept where every word is a term of the standard, of a vendor, or clinical."""

import functools
import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.deid.vocabulary import Words, coded_words

_CHARACTERS = re.compile(r"[A-Za-z0-9 _/.\-+*]{0,64}")
_WORDS = re.compile(r"[A-Za-z]+|[0-9]+")
_DIRECTIONS = re.compile(r"[aprlhf]{1,3}")
_MOST_DIGITS = 4
_SHORTEST_NAME = 3
_OTHER = "OTHER"


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:
    """Return the terms; an unknown one among several becomes OTHER, so that places stay."""
    terms = value.decode("latin-1").strip("\0 ").split("\\")
    if attribute.most == 1 and len(terms) > 1:
        return None
    known = [is_known_term(term.strip(" "), context.site_words) for term in terms]
    if all(known):
        return "\\".join(terms).encode("ascii")
    if len(terms) == 1:
        return None
    kept = (term if is_kept else _OTHER for term, is_kept in zip(terms, known, strict=True))
    return "\\".join(kept).encode("ascii")


@functools.lru_cache(maxsize=4096)
def is_known_term(term: str, site_words: Words) -> bool:
    """Tell whether every word of a coded string is known or too short to name anybody."""
    if not _CHARACTERS.fullmatch(term):
        return False
    known = coded_words(site_words)
    return all(_is_known(word.lower(), known) for word in _WORDS.findall(term))


def _is_known(word: str, known: Words) -> bool:
    if word.isdigit():
        return len(word) <= _MOST_DIGITS
    return len(word) < _SHORTEST_NAME or word in known or _DIRECTIONS.fullmatch(word) is not None


PLUGIN = Rule(action="kept", clean=clean)
