"""The walk: every element at every depth meets its rule; what has no rule does not leave."""

import functools
from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

from sightline.deid.attributes import TYPE_OPTIONAL, TYPE_REQUIRED, Attribute
from sightline.deid.codes import CODE_TAGS, clean_code
from sightline.deid.companions import orphans
from sightline.deid.contract import RULES, Context, Rule
from sightline.deid.dataset import PIXEL_TAGS, Dataset, Element
from sightline.deid.private import safe_blocks
from sightline.deid.waveforms import IODS as WAVEFORM_IODS
from sightline.deid.waveforms import SAMPLES, WAVEFORMS

PLACEHOLDER = b"removed"

# Consistent with the VR, and plainly no value of anybody (PS3.15 E.3.1, action D).
_PLACEHOLDERS = {
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT"), PLACEHOLDER),
    "AE": b"REMOVED",
    "CS": b"OTHER",
    "UR": b"about:blank",
}
DUMMIES = {
    **_PLACEHOLDERS,
    "AS": b"000Y",
    "AT": bytes(4),
    "DA": b"19000101",
    "DS": b"0",
    "DT": b"19000101000000",
    "IS": b"0",
    "TM": b"000000",
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), bytes(8)),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), bytes(4)),
    **dict.fromkeys(("OB", "OW", "SS", "UN", "US"), bytes(2)),
}
_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR"}
    | {"UT"}
)
_BINARY_VRS = frozenset(
    {"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"}
)
_SEQUENCE_RULE, _GIVEN_RULE = "sequence", "given"
# The slices of a series share most of their values.
_LONGEST_REMEMBERED, _MOST_REMEMBERED = 64, 10_000


Outcomes: TypeAlias = dict[tuple[object, ...], tuple[str, Element | None]]
"""What became of a short value and what was done, by tag, VR, value and where it stood."""


class Walk:
    """One pass over one instance; counts what it does.

    Attributes:
        counts: how often each action was taken.
        is_ascii: whether every text that leaves is ASCII.
    """

    def __init__(self, context: Context, outcomes: Outcomes | None = None) -> None:
        """Begin a pass.

        Args:
            context: of the patient and the instance.
            outcomes: of passes with an equal context before; what this one finds is added.
        """
        self._context = context
        self._outcomes = {} if outcomes is None else outcomes
        self._attributes = context.keep_list.attributes
        self._keeps_safe_private = context.keep_list.profile.has("retain safe private")
        self._rules = _rules()
        self.counts: Counter[str] = Counter()
        self.is_ascii = True

    def clean(
        self,
        elements: Mapping[int, Element],
        iod: str | None,
        *,
        sequence: str = "",
        keeps_codes: bool = False,
        has_samples: bool = False,
    ) -> Dataset:
        """Return what may leave of a dataset, or of an item of a sequence.

        Args:
            elements: as read.
            iod: the object definition at the top level; None inside sequences.
            sequence: keyword of the sequence that this is an item of.
            keeps_codes: whether coded concepts leave as they were given.
            has_samples: whether they are a group of a waveform, whose samples leave.
        """
        kept: Dataset = {}
        private = []
        for tag, element in elements.items():
            if tag in CODE_TAGS:
                continue
            attribute = self._attributes.get(tag)
            if attribute is None:
                if tag >> 16 & 1:
                    private.append(tag)
                else:
                    self.counts["removed"] += 1
                continue
            cleaned = (
                self._element(element, attribute, iod=iod, sequence=sequence)
                if tag != SAMPLES or has_samples
                else None
            )
            if cleaned is not None:
                kept[tag] = cleaned
        for tag in orphans(elements, kept):
            del kept[tag]
            self.counts["removed"] += 1
        if private:
            kept |= self._private(elements, private)
        if not CODE_TAGS.isdisjoint(elements):
            kept |= self._code(elements, keeps_codes=keeps_codes)
        return kept

    def _element(
        self, element: Element, attribute: Attribute, *, iod: str | None, sequence: str
    ) -> Element | None:
        if attribute.vr == "SQ":
            return self._sequence(element, attribute, iod=iod, sequence=sequence)
        type_ = attribute.type_in(iod, sequence)
        is_picture = attribute.tag in PIXEL_TAGS and iod is not None
        if is_picture or attribute.tag == SAMPLES:
            self.counts["pixels_kept" if is_picture else "samples_kept"] += 1
            return element._replace(vr=_vr_of(element, attribute))
        is_plain = element.items is None and not element.is_encapsulated
        if attribute.tag in PIXEL_TAGS or not is_plain:
            self.counts["removed"] += 1
            return None
        place = (attribute.tag, element.vr, element.value, iod, sequence)
        is_short = len(element.value) <= _LONGEST_REMEMBERED
        known = self._outcomes.get(place) if is_short else None
        action, outcome = known or self._outcome(element, attribute, type_)
        if is_short and not known and len(self._outcomes) < _MOST_REMEMBERED:
            self._outcomes[place] = action, outcome
        self.counts[action] += 1
        if outcome and outcome.vr in _TEXT_VRS and not bytes(outcome.value).isascii():
            self.is_ascii = False
        return outcome

    def _outcome(
        self, element: Element, attribute: Attribute, type_: int
    ) -> tuple[str, Element | None]:
        """Tell what is done with a value by its rule, and what leaves."""
        rule = self._rules[attribute.rule]
        # Text under the tag of a binary number is no number, whatever its bytes are.
        is_disguised = element.vr in _TEXT_VRS and attribute.vr[:2] in _BINARY_VRS
        value = None
        if not is_disguised:
            value = rule.clean(bytes(element.value), attribute, self._context)
        if value is None:
            # Where the table itself asks for a dummy, any kind of value has one. Else a number or a
            # date is never invented.
            dummies = DUMMIES if attribute.rule == "nothing" else _PLACEHOLDERS
            return _without_value(_vr_of(element, attribute), type_, dummies)
        return rule.action, Element(_vr_of(element, attribute), value)

    def _private(self, elements: Mapping[int, Element], tags: list[int]) -> Dataset:
        kept: Dataset = {}
        if self._keeps_safe_private:
            kept = safe_blocks(elements, tags, context=self._context, rules=self._rules)
        self.counts["private_kept"] += len(kept)
        self.counts["private_removed"] += len(tags) - len(kept)
        return kept

    def _code(self, elements: Mapping[int, Element], *, keeps_codes: bool) -> Dataset:
        if keeps_codes:
            self.counts["retained"] += 1
            return {tag: elements[tag] for tag in CODE_TAGS & elements.keys()}
        self.counts["code_cleaned"] += 1
        return clean_code(elements, self._context)

    def _sequence(
        self, element: Element, attribute: Attribute, *, iod: str | None, sequence: str
    ) -> Element | None:
        type_ = attribute.type_in(iod, sequence)
        if element.items is None:
            self.counts["removed"] += 1
            return None
        is_given = attribute.rule == _GIVEN_RULE
        is_opened = is_given or attribute.rule == _SEQUENCE_RULE
        if not is_opened and type_ != TYPE_REQUIRED and element.items:
            action, outcome = _without_value("SQ", type_, _PLACEHOLDERS)
            self.counts[action] += 1
            return outcome
        has_samples = attribute.tag == WAVEFORMS and iod in WAVEFORM_IODS
        items = (
            self.clean(
                item,
                None,
                sequence=attribute.keyword,
                keeps_codes=is_given,
                has_samples=has_samples,
            )
            for item in element.items
        )
        return Element("SQ", b"", tuple(items))


def _without_value(vr: str, type_: int, dummies: Mapping[str, bytes]) -> tuple[str, Element | None]:
    if type_ == TYPE_OPTIONAL:
        return "removed", None
    if type_ == TYPE_REQUIRED and vr in dummies:
        return "replaced", Element(vr, dummies[vr])
    return "emptied", Element(vr, b"", () if vr == "SQ" else None)


def _vr_of(element: Element, attribute: Attribute) -> str:
    choices = attribute.vr.split(" or ")
    return element.vr if element.vr in choices else choices[0]


@functools.cache
def _rules() -> dict[str, Rule]:
    return RULES.all()
