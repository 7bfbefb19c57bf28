"""Text that the door cleaned, with the names and dates of a project.

`[NAME 04711]` and `[MOVED 6 Feb 2020]` are keyed as subjects and dates are: left as the hub has
them, they would join two releases.
"""

import re
from collections.abc import Iterator

from sightline.deid.attributes import Attribute
from sightline.deid.cleaning.dates import NO_DATE, find_moved_dates
from sightline.deid.cleaning.spans import Found, replaced
from sightline.deid.cleaning.words import all_languages, ordered_languages, words_in
from sightline.deid.contract import Context
from sightline.formats.dicom_text import LONGEST_VALUES

_NAME = re.compile(r"\[NAME (\d{5})\]")
_MARKS = (b"[NAME ", b"[MOVED ")


def rekey(value: bytes, attribute: Attribute, context: Context) -> bytes:
    """Return a text with every keyed surrogate in it keyed anew; UTF-8, as the door writes it."""
    if not any(mark in value for mark in _MARKS):
        return value
    text = value.decode("utf-8", "replace").rstrip("\0 ")
    return rekeyed(text, context, longest=LONGEST_VALUES.get(attribute.vr)).encode()


def rekeyed(text: str, context: Context, *, longest: int | None = None) -> str:
    """Return a cleaned text with its dates moved once more, and its people numbered anew.

    Args:
        text: what the door let pass.
        context: whose text it is, and by how many days and with which key it is changed.
        longest: characters of a value; a date that makes it longer is taken out.
    """
    languages = ordered_languages(list(words_in(text)), tuple(sorted(all_languages())))
    dates = list(find_moved_dates(text, languages, context.offset_days))
    names = list(_names(text, context))
    again = replaced(text, [*names, *dates]).text
    if longest is not None and any(len(each) > longest for each in again.split("\\")):
        again = replaced(text, [*names, *(each._replace(surrogate=NO_DATE) for each in dates)]).text
    return again


def _names(text: str, context: Context) -> Iterator[Found]:
    for match in _NAME.finditer(text):
        number = context.vault.person_number(context.patient, match[1])
        yield Found(match.start(), match.end(), "name", f"[NAME {number:05}]")
