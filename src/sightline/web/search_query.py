"""The query of a QIDO-RS request, read once (PS3.18 8.3.4 and 10.6)."""

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from pydicom.datadict import tag_for_keyword

from sightline.archive.search import Window
from sightline.archive.search_keys import Keys, Range
from sightline.values.uids import is_uid
from sightline.web.refusals import malformed

MOST_RESULTS = 5000
"""Of one answer; the rest is had with `offset`."""

_NO_KEYS = frozenset({"limit", "offset", "accept"})
_SEVERAL = re.compile(r"[\\,]")
_END = re.compile(r"[0-9:.]*")
_INTEGER = re.compile(r"[0-9]{1,9}")
_TAG = re.compile(r"[0-9A-Fa-f]{8}")

Reader: TypeAlias = Callable[[str, str], Any]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SearchQuery:
    """What is asked for.

    Attributes:
        fields: tags, such as `00080090`, that the answer is to hold besides what it always does.
        wants_all_fields: as many attributes as we have are wanted.
        ignored: parameters that we do not match on, and fields that we do not know.
    """

    keys: Keys
    window: Window
    fields: frozenset[str] = frozenset()
    wants_all_fields: bool = False
    ignored: tuple[str, ...] = ()


def read_query(parameters: Iterable[tuple[str, str]]) -> SearchQuery:
    """Read the parameters of a search.

    Raises:
        RefusedRequest: A value is malformed.
    """
    found: dict[str, Any] = {}
    named: list[str] = []
    ignored = []
    window = {"limit": MOST_RESULTS, "offset": 0}
    for name, value in parameters:
        if "\0" in value:
            raise malformed("a value", "Give no NUL characters.")
        if name in window:
            window[name] = _integer(name, value) or 0
        elif name == "fuzzymatching":
            found["is_fuzzy"] = _truth(name, value)
        elif name == "includefield":
            named += _several(name, value)
        elif name in _KEYS:
            field, read = _KEYS[name]
            found[field] = read(name, value)
        elif name not in _NO_KEYS:
            ignored.append(name)
    tags = {name: _tag(name) for name in named if name != "all"}
    return SearchQuery(
        keys=Keys(**found),
        window=Window(offset=window["offset"], limit=min(window["limit"], MOST_RESULTS)),
        fields=frozenset(tag for tag in tags.values() if tag),
        wants_all_fields="all" in named,
        ignored=(*ignored, *(name for name, tag in tags.items() if not tag)),
    )


def _text(_name: str, value: str) -> str:
    return value.strip()


def _several(_name: str, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SEVERAL.split(value) if part.strip())


def _uids(name: str, value: str) -> tuple[str, ...]:
    uids = _several(name, value)
    if not all(map(is_uid, uids)):
        raise malformed(name, "Give a UID, or several joined by commas.")
    return uids


def _range(name: str, value: str) -> Range:
    first, dash, last = value.strip().partition("-")
    if not (_END.fullmatch(first) and _END.fullmatch(last)):
        raise malformed(name, "Give YYYYMMDD or HHMMSS, or a range: 20240101-20240131.")
    first, last = first.replace(":", ""), last.replace(":", "")
    return Range(first=first, last=last if dash else first)


def _truth(name: str, value: str) -> bool:
    if value.strip().lower() not in {"true", "false"}:
        raise malformed(name, "Give true or false.")
    return value.strip().lower() == "true"


def _tag(name: str) -> str:
    """Return the tag that a field is named by; empty where it is none that we know."""
    if _TAG.fullmatch(name):
        return name.upper()
    tag = tag_for_keyword(name)
    return "" if tag is None else f"{tag:08X}"


def _integer(name: str, value: str) -> int | None:
    if not value.strip():
        return None
    if not _INTEGER.fullmatch(value.strip()):
        raise malformed(name, "Give a whole number.")
    return int(value)


_ATTRIBUTES: dict[tuple[str, str], tuple[str, Reader]] = {
    ("00100010", "PatientName"): ("patient_name", _text),
    ("00100020", "PatientID"): ("patient_id", _text),
    ("00100030", "PatientBirthDate"): ("birth_date", _range),
    ("00100040", "PatientSex"): ("sex", _text),
    ("0020000D", "StudyInstanceUID"): ("study_uids", _uids),
    ("00080020", "StudyDate"): ("study_date", _range),
    ("00080030", "StudyTime"): ("study_time", _range),
    ("00080050", "AccessionNumber"): ("accession_number", _text),
    ("00081030", "StudyDescription"): ("study_description", _text),
    ("00080061", "ModalitiesInStudy"): ("modalities_in_study", _several),
    ("0020000E", "SeriesInstanceUID"): ("series_uids", _uids),
    ("00080060", "Modality"): ("modalities", _several),
    ("00200011", "SeriesNumber"): ("series_number", _integer),
    ("0008103E", "SeriesDescription"): ("series_description", _text),
    ("00180015", "BodyPartExamined"): ("body_part", _text),
    ("00080018", "SOPInstanceUID"): ("instance_uids", _uids),
    ("00080016", "SOPClassUID"): ("sop_class_uids", _uids),
    ("00200013", "InstanceNumber"): ("instance_number", _integer),
}
_KEYS = {name: key for names, key in _ATTRIBUTES.items() for name in names}
