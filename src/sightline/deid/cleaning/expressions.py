"""Patterns made of the words of some languages."""

import re
from collections.abc import Iterable

from sightline.deid.languages.contract import Language


def any_case(pattern: str) -> re.Pattern[str]:
    """Compile a pattern that capitals and small letters match alike."""
    return re.compile(pattern, re.IGNORECASE)


def any_of(words: Iterable[str]) -> str:
    """Return a pattern of any of these words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))


def joined(languages: Iterable[Language], field: str) -> str:
    """Return a pattern of what any of the languages gives in a field."""
    return "|".join(str(getattr(each, field)) for each in languages)
