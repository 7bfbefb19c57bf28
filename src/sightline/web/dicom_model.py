"""Writing the DICOM JSON model (PS3.18 annex F) of what the catalog knows."""

from collections.abc import Sequence
from typing import TypeAlias

Attribute: TypeAlias = dict[str, object]
Model: TypeAlias = dict[str, Attribute]
"""One object of the DICOM JSON model, by tag."""

_PERSON_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def attribute(vr: str, *values: str | int | None) -> Attribute:
    """Describe one attribute; values that are not known are left out."""
    given = [value for value in values if value is not None and value != ""]
    return {"vr": vr, "Value": given} if given else {"vr": vr}


def person(name: str) -> Attribute:
    """Describe a person name (PS3.5 6.2.1) by its groups."""
    groups = dict(zip(_PERSON_GROUPS, name.split("="), strict=False))
    given = {group: text for group, text in groups.items() if text}
    return {"vr": "PN", "Value": [given]} if given else {"vr": "PN"}


def sequence(items: Sequence[Model]) -> Attribute:
    """Describe a sequence."""
    return {"vr": "SQ", "Value": list(items)} if items else {"vr": "SQ"}
