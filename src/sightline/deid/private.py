"""Safe private attributes: those of a list, under their creator, each by the rule for its value.

PS3.15 E.3.10, Retain Safe Private Option (113111). Everything else private does not leave.
"""

import functools
from collections.abc import Iterable, Mapping
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
    for tag in tags:
        group, block = tag >> 16, tag & 0xFFFF
        if not _FIRST_BLOCK <= block <= _LAST_BLOCK:
            continue
        creator = bytes(elements[tag].value).decode("latin-1").strip("\0 ")
        found: Dataset = {}
        for safe in safe_attributes().get((group, creator), ()):
            place = group << 16 | block << 8 | safe.number
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


def safe_attribute(elements: Mapping[int, Element], tag: int) -> Attribute | None:
    """Return what the list says of a private element; None where it does not know it."""
    group, block, number = tag >> 16, tag >> 8 & 0xFF, tag & 0xFF
    creator = elements.get(group << 16 | block)
    if creator is None:
        return None
    name = bytes(creator.value).decode("latin-1").strip("\0 ")
    known = safe_attributes().get((group, name), ())
    return next((safe.attribute for safe in known if safe.number == number), None)


def is_creator(tag: int) -> bool:
    """Tell whether a private tag names the creator of a block (PS3.5 7.8.1)."""
    return _FIRST_BLOCK <= tag & 0xFFFF <= _LAST_BLOCK


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
