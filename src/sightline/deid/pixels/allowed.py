"""Text that may stay in pixels: markers and technique, of which a list knows every word."""

import functools
import re
import string

from sightline.deid.attributes import read_lines
from sightline.deid.vocabulary import Words

_RUN = re.compile(r"[A-Z%]+(?:/[A-Z]+)?|[0-9]+(?:[.,][0-9]+)?")
_GLUED = re.compile(r"[A-Z][0-9]")
_MOST_DIGITS, _MOST_TEXT = 3, 40
_HARMLESS = frozenset(string.ascii_uppercase + string.digits + " .,:;/%+-*()[]=<>#°")


def may_stay(text: str, site_words: Words) -> bool:
    """Tell whether a line of text is made of allowed words, with numbers that have a word.

    A number needs a word in its line, has at most three digits before the point and none follows
    it directly: `120 kV` stays, `12.03.1956`, `4711` and `CM41`, which may be initials, do not.

    Args:
        text: as it was read.
        site_words: what a site allows besides, in lower case.
    """
    upper = text.upper().strip()
    if len(upper) > _MOST_TEXT or not set(upper) <= _HARMLESS or _GLUED.search(upper):
        return False
    runs = _RUN.findall(upper)
    words = [run for run in runs if not run[0].isdigit()]
    numbers = [run for run in runs if run[0].isdigit()]
    are_known = all(word in _words() or word.lower() in site_words for word in words)
    are_short = all(len(re.split("[.,]", number)[0]) <= _MOST_DIGITS for number in numbers)
    return bool(words) and are_known and are_short and len(numbers) <= len(words)


@functools.cache
def _words() -> frozenset[str]:
    found = (word for line in _lines() for word in line.split())
    return frozenset(found)


def _lines() -> list[str]:
    return read_lines("pixels/allowed.txt")
