"""What may be there only beside another attribute goes with it."""

import pytest
from pydicom.datadict import keyword_dict, tag_for_keyword

from sightline.deid.attributes import facts
from sightline.deid.dataset import Dataset, Element
from sightline.deid.walk import Walk
from tests.deid.rules import CONTEXT


def left_of(elements: Dataset) -> set[int]:
    return set(Walk(CONTEXT).clean(elements, None))


@pytest.mark.parametrize(
    ("needed", "companion", "value"),
    [
        ("ContextIdentifier", "MappingResource", b"DCMR"),
        ("ResponsiblePerson", "ResponsiblePersonRole", b"PARENT"),
        ("PatientBirthDateInAlternativeCalendar", "PatientAlternativeCalendar", b"OTHER "),
        ("UniversalEntityID", "UniversalEntityIDType", b"DNS "),
        ("FontName", "FontNameType", b"OTHER "),
    ],
)
def test_a_companion_goes_with_what_it_needs(needed: str, companion: str, value: bytes) -> None:
    there, beside = tag_for_keyword(needed), tag_for_keyword(companion)
    assert there is not None
    assert beside is not None
    elements = {there: Element(facts()[there].vr, b"KANARI"), beside: Element("CS", value)}
    assert left_of(elements) == set()
    assert left_of({beside: Element("CS", value)}) == {beside}


def test_types_are_those_of_the_sequence() -> None:
    """One attribute, required in one sequence and optional in another (PS3.3 C.17.2, 10.6)."""
    studies = Element("SQ", b"", ({0x00081155: Element("UI", b"1.2.3")},))
    numbers = Element("SH", b"KANARI")
    item: Dataset = {0x00081110: studies, 0x00401001: numbers}
    elements: Dataset = {
        keyword_dict["ReferencedRequestSequence"]: Element("SQ", b"", (item,)),
        keyword_dict["RequestAttributesSequence"]: Element("SQ", b"", (item,)),
    }
    walked = Walk(CONTEXT).clean(elements, "comprehensive-3d-sr")
    (request,) = walked[keyword_dict["ReferencedRequestSequence"]].items or ()
    assert request == {0x00081110: Element("SQ", b"", ()), 0x00401001: Element("SH", b"")}
    (attributes,) = walked[keyword_dict["RequestAttributesSequence"]].items or ()
    assert attributes == {}
