"""The word lists of this room, and whether a text is made of their words alone."""

import functools
import re
from typing import TypeAlias

from sightline.deid.attributes import read_lines

_ALLOWED_CHARACTERS = re.compile(r"[A-Za-z0-9 _\-+*/^()\[\].,:;=<>%&#~'\"@|]*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LETTERS = re.compile(r"[^\W\d_]+")
_KERNEL = re.compile(
    r"(?<![A-Za-z0-9])(?:[BDHIQTU][a-z]?[0-9]{2}[a-z]{0,2}|FC[0-9]{2})(?![A-Za-z0-9])"
)
_RUN = re.compile(r"[A-Za-z]+|[0-9]+(?:\.[0-9]+)?|[ _\-+*/^()\[\].,:;=<>%&#~'\"@|]+")
_MAX_DIGITS = 3
_MAX_IN_A_ROW = 2
_MAX_TEXT = 1024


Words: TypeAlias = frozenset[str]
NO_WORDS: Words = frozenset()


@functools.cache
def clinical_words(site_words: Words = NO_WORDS) -> Words:
    """Words of descriptions, and those a site has added."""
    return _read("words.txt") | site_words


@functools.cache
def coded_words(site_words: Words = NO_WORDS) -> Words:
    """Words of coded strings, and those a site has added."""
    return clinical_words(site_words) | _read("terms.txt")


@functools.cache
def technical_words(site_words: Words = NO_WORDS) -> Words:
    """Words of equipment, software, kernels and pulse sequences, and those a site has added."""
    return clinical_words(site_words) | _read("devices.txt")


def names_somebody(text: str, names: Words) -> bool:
    """Tell whether a word of a text is one of the names."""
    return bool(names) and not names.isdisjoint(words_of(text))


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case: `HeadNeck` holds `headneck`, `head` and `neck`."""
    runs = _LETTERS.findall(text)
    parts = [part for run in runs for part in _CAMEL.split(run)]
    return [word.lower() for word in (*runs, *parts)]


@functools.lru_cache(maxsize=4096)
def is_made_of(text: str, words: Words) -> bool:
    """Tell whether a text holds nothing but words of the list and small harmless numbers.

    Single letters and reconstruction kernels such as `B30f` pass. A number has at most three
    digits before the point; two numbers with no word between them, which may be a date or a
    telephone number, do not pass unless each is one digit. What is not ASCII does not pass.
    """
    if len(text) > _MAX_TEXT or not _ALLOWED_CHARACTERS.fullmatch(text):
        return False
    numbers: list[str] = []
    word = ""
    for run in _RUN.findall(_KERNEL.sub("kernel", text)):
        if run[0].isalpha():
            word = run.lower()
            if len(word) > 1:
                if not _is_word(run, words):
                    return False
                numbers = []
        elif run[0].isdigit():
            numbers.append(run)
            if not _are_harmless(numbers, after=word):
                return False
        elif run.strip():
            word = ""
    return True


def _is_word(run: str, words: Words) -> bool:
    """Tell whether letters are a word, or words written together as in `HeadNeck`."""
    if run.lower() in words:
        return True
    parts = _CAMEL.split(run)
    return len(parts) > 1 and all(part.lower() in words for part in parts)


def _are_harmless(numbers: list[str], *, after: str) -> bool:
    """Tell whether numbers in a row, with no word between them, can name nobody."""
    if len(numbers) > 1 and (len(numbers) > _MAX_IN_A_ROW or max(map(len, numbers)) > 1):
        return False
    whole, _, decimals = numbers[-1].partition(".")
    # Diffusion weighting is written b1000, b2000.
    limit = _MAX_DIGITS + 1 if after == "b" else _MAX_DIGITS
    return len(whole) <= limit and len(decimals) <= _MAX_DIGITS


def _read(name: str) -> Words:
    return frozenset(word for line in read_lines(name) for word in line.split())
