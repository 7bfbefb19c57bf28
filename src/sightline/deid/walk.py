"""The walk: every element at every depth meets its rule; what has no rule does not leave."""

import functools
from collections import Counter
from collections.abc import Mapping

from sightline.deid.attributes import (
    TYPE_OPTIONAL,
    TYPE_REQUIRED,
    Attribute,
    attributes,
)
from sightline.deid.codes import CODE_TAGS, clean_code
from sightline.deid.contract import RULES, Context, Rule
from sightline.deid.dataset import PIXEL_TAGS, Dataset, Element

PLACEHOLDER = b"removed"

_PLACEHOLDERS = {
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT"), PLACEHOLDER),
    "AE": b"REMOVED",
    "CS": b"OTHER",
    "UR": b"about:blank",
}
_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR"}
    | {"UT"}
)
_BINARY_VRS = frozenset(
    {"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"}
)
_SEQUENCE_RULE = "sequence"
_OWN_RULES = {_SEQUENCE_RULE, "code", "pixels"}


class Walk:
    """One pass over one instance; counts what it does.

    Attributes:
        counts: how often each action was taken.
        is_ascii: whether every text that leaves is ASCII.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.counts: Counter[str] = Counter()
        self.is_ascii = True

    def clean(self, elements: Mapping[int, Element], iod: str | None) -> Dataset:
        """Return what may leave of a dataset, or of an item of a sequence.

        Args:
            elements: as read.
            iod: the object definition at the top level; None inside sequences.
        """
        kept: Dataset = {}
        for tag, element in elements.items():
            if tag in CODE_TAGS:
                continue
            attribute = attributes().get(tag)
            if attribute is None:
                self.counts["private_removed" if tag >> 16 & 1 else "removed"] += 1
                continue
            cleaned = self._element(element, attribute, iod)
            if cleaned is not None:
                kept[tag] = cleaned
        if not CODE_TAGS.isdisjoint(elements):
            kept |= clean_code(elements, self._context)
            self.counts["code_cleaned"] += 1
        return kept

    def _element(self, element: Element, attribute: Attribute, iod: str | None) -> Element | None:
        type_ = attribute.type_in(iod)
        if attribute.vr == "SQ":
            return self._sequence(element, attribute, type_)
        if attribute.tag in PIXEL_TAGS and iod is not None:
            self.counts["pixels_kept"] += 1
            return element._replace(vr=_vr_of(element, attribute))
        is_plain = element.items is None and not element.is_encapsulated
        if attribute.tag in PIXEL_TAGS or not is_plain:
            self.counts["removed"] += 1
            return None
        rule = _rules()[attribute.rule]
        # Text under the tag of a binary number is no number, whatever its bytes are.
        is_disguised = element.vr in _TEXT_VRS and attribute.vr[:2] in _BINARY_VRS
        value = None
        if not is_disguised:
            value = rule.clean(bytes(element.value), attribute, self._context)
        if value is None:
            return self._without_value(_vr_of(element, attribute), type_)
        self.counts[rule.action] += 1
        vr = _vr_of(element, attribute)
        self.is_ascii = self.is_ascii and (vr not in _TEXT_VRS or value.isascii())
        return Element(vr, value)

    def _sequence(self, element: Element, attribute: Attribute, type_: int) -> Element | None:
        if element.items is None:
            self.counts["removed"] += 1
            return None
        if attribute.rule != _SEQUENCE_RULE and type_ != TYPE_REQUIRED and element.items:
            return self._without_value("SQ", type_)
        return Element("SQ", b"", tuple(self.clean(item, None) for item in element.items))

    def _without_value(self, vr: str, type_: int) -> Element | None:
        if type_ == TYPE_OPTIONAL:
            self.counts["removed"] += 1
            return None
        if type_ == TYPE_REQUIRED and vr in _PLACEHOLDERS:
            self.counts["replaced"] += 1
            return Element(vr, _PLACEHOLDERS[vr])
        # A number or a date is never invented.
        self.counts["emptied"] += 1
        return Element(vr, b"", () if vr == "SQ" else None)


def _vr_of(element: Element, attribute: Attribute) -> str:
    choices = attribute.vr.split(" or ")
    return element.vr if element.vr in choices else choices[0]


@functools.cache
def _rules() -> dict[str, Rule]:
    names = {attribute.rule for attribute in attributes().values()}
    return {name: RULES.get(name) for name in names - _OWN_RULES}
