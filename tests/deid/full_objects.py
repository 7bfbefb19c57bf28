"""Objects with every attribute that PS3.3 lets them have, at every depth, each with a valid value.

What a scanner writes is a small part of what an object definition allows. Where a rule empties,
removes or replaces, the Type of the attribute in that very place decides what is valid.
"""

import functools
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from pydicom.datadict import DicomDictionary, keyword_dict
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from sightline.deid.attributes import storage_classes

_STANDARD = files("highdicom") / "_standard"
# Said of the pixels, or names the encoding: one value more would make the object another one.
_LEFT = frozenset(
    {
        "SpecificCharacterSet",
        "PixelData",
        "FloatPixelData",
        "DoubleFloatPixelData",
        "PixelDataProviderURL",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
        "EncryptedAttributesSequence",
        "DigitalSignaturesSequence",
        "MACParametersSequence",
        "BurnedInAnnotation",
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
    }
)
_VALUES: dict[str, object] = {
    "AE": "KANARI",
    "AS": "042Y",
    "AT": 0x00100010,
    "CS": "NONE",
    "DA": "20240131",
    "DS": "7.5",
    "DT": "20240131101112",
    "FD": 7.5,
    "FL": 7.5,
    "IS": "7",
    "LO": "Kanari Vogel",
    "LT": "Kanari Vogel",
    "OB": b"KANARI",
    "OD": bytes(8),
    "OF": bytes(4),
    "OL": bytes(4),
    "OV": bytes(8),
    "OW": b"KANARI",
    "PN": "Kanari^Vogel",
    "SH": "Kanari",
    "SL": 7,
    "SS": 7,
    "ST": "Kanari Vogel",
    "SV": 7,
    "TM": "101112",
    "UC": "Kanari Vogel",
    "UI": "1.2.826.0.1.3680043.10.1234.4711",
    "UL": 7,
    "UN": b"KANARI",
    "UR": "http://kanari.example",
    "US": 7,
    "UT": "Kanari Vogel",
    "UV": 7,
}


_SPECIAL: dict[str, object] = {
    "PatientOrientation": ["L", "F"],
    **{f"{each}PaletteColorLookupTableDescriptor": [1, 0, 16] for each in ("Red", "Green", "Blue")},
    **{f"{each}PaletteColorLookupTableData": bytes(2) for each in ("Red", "Green", "Blue")},
}


def fill(dataset: Dataset) -> int:
    """Add what its object definition allows and it lacks; return how many elements were added."""
    iod = storage_classes()[str(dataset.SOPClassUID)].iod
    added = 0
    for path, keyword in _attributes(iod):
        for parent in _parents(dataset, path):
            if _is_to_add(keyword, parent):
                parent.add_new(keyword_dict[keyword], _vr(keyword), _value(keyword))
                added += 1
    return added


@functools.cache
def _attributes(iod: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the attributes of an object definition, those outside of sequences first."""
    modules_of = json.loads((_STANDARD / "iod_module_map.json").read_text())
    attributes_of = json.loads((_STANDARD / "module_attribute_map.json").read_text())
    found = {
        (tuple(each["path"]), each["keyword"])
        for module in modules_of[iod]
        for each in attributes_of[module["key"]]
        if all(_is_known(keyword) for keyword in (*each["path"], each["keyword"]))
    }
    return tuple(sorted(found, key=lambda each: (len(each[0]), each)))


def _is_known(keyword: str) -> bool:
    tag = keyword_dict.get(keyword)
    return tag is not None and not DicomDictionary[tag][3] and keyword not in _LEFT


def _parents(dataset: Dataset, path: tuple[str, ...]) -> Iterator[Dataset]:
    items = [dataset]
    for keyword in path:
        items = [child for item in items if item.get(keyword) for child in item[keyword].value[:1]]
    yield from items


def _is_to_add(keyword: str, parent: Dataset) -> bool:
    if keyword not in parent:
        # Overlays and curves repeat, and belong to pixels.
        return Tag(keyword_dict[keyword]).group & 0xFF00 not in {0x5000, 0x6000}
    element = parent[keyword]
    return element.VR == "SQ" and not element.value and keyword not in _LEFT


def _vr(keyword: str) -> str:
    return str(DicomDictionary[keyword_dict[keyword]][0]).split(" or ")[0]


def _value(keyword: str) -> Any:  # noqa: ANN401 - of any VR
    if keyword in _SPECIAL:
        return _SPECIAL[keyword]
    vr = _vr(keyword)
    if vr == "SQ":
        return [Dataset()]
    least = DicomDictionary[keyword_dict[keyword]][1].split("-")[0]
    value = _VALUES[vr]
    count = int(least) if least.isdigit() else 1
    return value if count == 1 else MultiValue(lambda each: each, [value] * count)
