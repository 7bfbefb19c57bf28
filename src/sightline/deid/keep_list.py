"""The keep list of a profile: every attribute that may pass, by which rule, and of which Type."""

import dataclasses
import functools

from sightline.deid.attributes import (
    TYPE_MAY_BE_EMPTY,
    TYPE_OPTIONAL,
    TYPE_REQUIRED,
    Attribute,
    Row,
    facts,
    table_rows,
)
from sightline.deid.profile import Profile

# Written by the door itself, or of no use once private, encrypted and signed content is gone.
OF_THE_DOOR = frozenset(
    {
        "BurnedInAnnotation",
        "CodingSchemeIdentificationSequence",
        "DataSetTrailingPadding",
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
        "EncryptedAttributesSequence",
        "EquivalentCodeSequence",
        "LongCodeValue",
        "LongitudinalTemporalInformationModified",
        "MACParametersSequence",
        "PatientIdentityRemoved",
        "PrivateDataElementCharacteristicsSequence",
        "RecognizableVisualFeatures",
        "SpecificCharacterSet",
        "URNCodeValue",
    }
)
"""What comes with no profile."""

_NAMES = frozenset({"subject", "reader"})
_DATES = "dates"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KeepList:
    """What may pass with one profile.

    Attributes:
        attributes: by tag.
        sequences: tags of those whose items are opened.
    """

    profile: Profile
    attributes: dict[int, Attribute]
    sequences: frozenset[int]


@functools.cache
def keep_list(profile: Profile) -> KeepList:
    """Return what may pass with a profile."""
    rows = table_rows()
    found: dict[int, Attribute] = {}
    for tag, fact in facts().items():
        rule = rule_of(fact, rows.get(tag), profile)
        if rule:
            action = rows[tag].action if tag in rows else ""
            found[tag] = _attribute(fact, rule, action)
    sequences = frozenset(tag for tag, each in found.items() if each.vr == "SQ")
    return KeepList(profile=profile, attributes=found, sequences=sequences)


def rule_of(fact: Attribute, row: Row | None, profile: Profile) -> str:
    """Name the rule for an attribute; empty where it does not pass.

    What the profile says of it comes first, then the row of Table E.1-1 with the options that
    hold, then the rule for its kind of value.
    """
    if fact.keyword in profile.remove or fact.keyword in OF_THE_DOOR:
        return ""
    if fact.keyword in profile.rules:
        return profile.rules[fact.keyword]
    if row is None:
        return fact.rule if profile.beyond_table == "by kind" else _needed(fact)
    softened = softened_by(fact, row, profile)
    if softened and fact.rule not in _NAMES:
        return _softened_rule(fact, row, softened)
    return _rule_of_row(fact, row)


def softened_by(fact: Attribute, row: Row, profile: Profile) -> frozenset[str]:
    """Name the columns of the table that soften a row with a profile."""
    columns = profile.columns & row.softened.keys()
    chosen = profile.patient_characteristics
    if chosen is not None and fact.keyword not in chosen:
        columns -= {"patient"}
    return columns


def _rule_of_row(fact: Attribute, row: Row) -> str:
    if fact.rule in _NAMES or "U" in row.action or (fact.rule == "uids" and row.action == "D"):
        return fact.rule
    if row.action == "X":
        # Removed, but for an IOD that asks for it unconditionally: there it is emptied.
        return "nothing" if TYPE_MAY_BE_EMPTY in fact.other_types.values() else ""
    return "sequence" if fact.vr == "SQ" and row.action == "D" else "nothing"


def _softened_rule(fact: Attribute, row: Row, columns: frozenset[str]) -> str:
    if fact.rule == _DATES and columns & {"modified_dates", "full_dates"}:
        return _DATES
    is_kept = any(row.softened[column] == "K" for column in columns)
    # An age above 89 years is never kept (US 45 CFR 164.514).
    return "given" if is_kept and fact.rule != "age" else fact.rule


def _needed(fact: Attribute) -> str:
    """Say how what the table does not name passes a profile that removes it: only where it must."""
    return fact.rule if TYPE_REQUIRED in {fact.top_type, *fact.other_types.values()} else ""


def _attribute(fact: Attribute, rule: str, action: str) -> Attribute:
    return dataclasses.replace(
        fact,
        rule=rule,
        top_type=_resolved(action, fact.top_type),
        nested_type=_resolved(action, fact.nested_type),
        other_types={place: _resolved(action, each) for place, each in fact.other_types.items()},
    )


def _resolved(action: str, type_: int) -> int:
    """Return the Type to satisfy: a compound action takes the mildest that the object allows."""
    if action == "D":
        return TYPE_REQUIRED
    if action.startswith("Z"):
        return min(type_, TYPE_MAY_BE_EMPTY) if "D" in action else TYPE_MAY_BE_EMPTY
    if action == "X/Z":
        return max(type_, TYPE_MAY_BE_EMPTY)
    if action == "X/D":
        return TYPE_OPTIONAL if type_ == TYPE_OPTIONAL else TYPE_REQUIRED
    return type_
