"""Coded concepts: a code leaves when a known scheme has such codes, a meaning when it is known.

Code meanings are not in Table E.1-1, and people type into them. One with a word that is on no list
gives way to the meaning of the standard itself (PS3.16), or to the code.
"""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.deid.attributes import read_lines, read_table
from sightline.deid.contract import Context
from sightline.deid.dataset import Dataset, Element
from sightline.deid.text import is_clean
from sightline.deid.vocabulary import clinical_words, is_made_of

CODE_VALUE, SCHEME, SCHEME_VERSION, MEANING = 0x00080100, 0x00080102, 0x00080103, 0x00080104
CODE_TAGS = frozenset({CODE_VALUE, SCHEME, SCHEME_VERSION, MEANING})

OUR_SCHEME = "99SIGHTLINE"
_CHECK_DIGIT_SCHEME = "SCT"
_VERSION = re.compile(r"[0-9][0-9A-Za-z.]{0,15}")
_UNIT = re.compile(r"[A-Za-z%]+|\{[^}]*\}|[\[\]'\"0-9./*()^+-]+")
_VERHOEFF_PRODUCT = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_VERHOEFF_PERMUTATION = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


class _Coded(NamedTuple):
    value: str
    scheme: str
    version: str
    meaning: str


_OTHER = _Coded("74964007", "SCT", "", "Other")


def clean_code(item: Mapping[int, Element], context: Context) -> Dataset:
    """Return the elements of the code that an item holds; the code Other where it must not leave.

    Returns no element where the item holds no code.
    """
    if CODE_VALUE not in item:
        return {}
    given = _Coded(*(_text(item.get(tag)) for tag in (CODE_VALUE, SCHEME, SCHEME_VERSION, MEANING)))
    return _elements(_cleaned(given, context))


def coded_item(concept: Code) -> Dataset:
    """Return the item of a code sequence that names a concept."""
    return _elements(_Coded(concept.value, concept.scheme_designator, "", concept.meaning))


def _cleaned(code: _Coded, context: Context) -> _Coded:
    if not _is_code(code, context):
        return _OTHER
    version = code.version if _VERSION.fullmatch(code.version) else ""
    known = _known_meanings().get((code.scheme, code.value), code.value)
    meaning = code.meaning if code.meaning and is_clean(code.meaning, context) else known
    return _Coded(code.value, code.scheme, version, meaning)


def _is_code(code: _Coded, context: Context) -> bool:
    if code.scheme == OUR_SCHEME:
        return is_clean(f"{code.value} {code.meaning}", context)
    if code.scheme == "UCUM":
        return is_unit(code.value)
    if (code.scheme, code.value) in _known_meanings():
        return True
    form = _forms().get(code.scheme)
    if form is None or not form.fullmatch(code.value):
        return False
    return code.scheme != _CHECK_DIGIT_SCHEME or _has_check_digit(code.value)


def is_unit(value: str) -> bool:
    """Tell whether a UCUM expression holds only known units; annotations are free text."""
    if len(value) > 16 or "".join(_UNIT.findall(value)) != value:  # noqa: PLR2004 - an SH
        return False
    return all(
        is_made_of(part[1:-1], clinical_words()) if part[0] == "{" else part in _units()
        for part in _UNIT.findall(value)
        if part[0].isalpha() or part[0] in "{%"
    )


def _has_check_digit(value: str) -> bool:
    """Check the last digit of a SNOMED CT identifier (Verhoeff), which other numbers lack."""
    check = 0
    for place, digit in enumerate(reversed(value)):
        permuted = int(_VERHOEFF_PERMUTATION[place % 8][int(digit)])
        check = int(_VERHOEFF_PRODUCT[check][permuted])
    return check == 0


@functools.cache
def _forms() -> dict[str, re.Pattern[str]]:
    return {row["scheme"]: re.compile(row["form"]) for row in read_table("code_forms.csv")}


@functools.cache
def _units() -> frozenset[str]:
    return frozenset(unit for line in read_lines("units.txt") for unit in line.split())


@functools.cache
def _known_meanings() -> dict[tuple[str, str], str]:
    """Return the meaning that PS3.16 gives a code; the shortest where it gives several."""
    found: dict[tuple[str, str], str] = {}
    for scheme in codes.schemes():
        for concept in getattr(codes, scheme).concepts.values():
            key = (concept.scheme_designator, concept.value)
            if concept.meaning.isascii():
                found[key] = min(found.get(key, concept.meaning), concept.meaning, key=len)
    return found


def _text(element: Element | None) -> str:
    if element is None:
        return ""
    return bytes(element.value).decode("latin-1").strip("\0 ")


def _elements(code: _Coded) -> Dataset:
    found = {
        CODE_VALUE: Element("SH", code.value.encode("ascii")),
        SCHEME: Element("SH", code.scheme.encode("ascii")),
        MEANING: Element("LO", code.meaning[:64].encode("ascii")),
    }
    if code.version:
        found[SCHEME_VERSION] = Element("SH", code.version.encode("ascii"))
    return found
