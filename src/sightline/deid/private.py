"""Safe private attributes: those of a list, under their creator, each by the rule for its value.

PS3.15 E.3.10, Retain Safe Private Option (113111). Everything else private does not leave.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sightline.deid.attributes import TYPE_OPTIONAL, Attribute, read_table, values_of
from sightline.deid.contract import Context, Rule
from sightline.deid.dataset import Dataset, Element

_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF


class Safe(NamedTuple):
    """One element of a block."""

    number: int
    attribute: Attribute


def safe_blocks(
    elements: Mapping[int, Element],
    tags: Iterable[int],
    *,
    context: Context,
    rules: Mapping[str, Rule],
) -> Dataset:
    """Return the safe private elements of a dataset or item, with their creators.

    Args:
        elements: as read.
        tags: of the private ones among them.
        context: for whom they are cleaned.
        rules: by name.
    """
    kept: Dataset = {}
    for tag, creator in _creators(elements, tags):
        found: Dataset = {}
        for place, safe in _block(tag, creator):
            element = elements.get(place)
            if element is None or not _is_of(safe.attribute, element):
                continue
            rule = rules[safe.attribute.rule]
            value = rule.clean(bytes(element.value), safe.attribute, context)
            if value:
                found[place] = Element(safe.attribute.vr, value)
        if found:
            kept |= found
            kept[tag] = Element("LO", creator.encode("ascii"))
    return kept


def safe_vrs(elements: Mapping[int, Element]) -> dict[int, str]:
    """Return the VRs of the safe private elements of a dataset or item, and of their creators.

    An implicit file does not say them; the list does, and PS3.5 7.8.1 that of a creator.
    """
    found: dict[int, str] = {}
    for tag, creator in _creators(elements, elements):
        for place, safe in _block(tag, creator):
            if place in elements:
                found |= {place: safe.attribute.vr, tag: "LO"}
    return found


def _creators(elements: Mapping[int, Element], tags: Iterable[int]) -> Iterator[tuple[int, str]]:
    for tag in tags:
        if tag >> 16 & 1 and _FIRST_BLOCK <= tag & 0xFFFF <= _LAST_BLOCK:
            yield tag, bytes(elements[tag].value).decode("latin-1").strip("\0 ")


def _block(tag: int, creator: str) -> Iterator[tuple[int, Safe]]:
    """Give the safe elements that a creator may have reserved, with their tags."""
    group, block = tag >> 16, tag & 0xFFFF
    for safe in safe_attributes().get((group, creator), ()):
        yield group << 16 | block << 8 | safe.number, safe


def _is_of(attribute: Attribute, element: Element) -> bool:
    """Tell whether an element is what the list says it is; implicit files do not say."""
    is_plain = element.items is None and not element.is_encapsulated
    return is_plain and element.vr in {attribute.vr, "UN", ""}


@functools.cache
def safe_attributes() -> dict[tuple[int, str], tuple[Safe, ...]]:
    """Return the list: by group and creator, the elements of their block."""
    found: dict[tuple[int, str], list[Safe]] = {}
    for row in read_table("safe_private.csv"):
        group, _, number = row["element"].partition("xx")
        least, most = values_of(row["vm"])
        attribute = Attribute(
            tag=int(group, 16) << 16 | int(number, 16),
            keyword=row["meaning"],
            vr=row["vr"],
            least=least,
            most=most,
            rule=row["kind"],
            top_type=TYPE_OPTIONAL,
            nested_type=TYPE_OPTIONAL,
            other_types={},
        )
        safe = Safe(int(number, 16), attribute)
        found.setdefault((int(group, 16), row["creator"]), []).append(safe)
    return {key: tuple(each) for key, each in found.items()}
