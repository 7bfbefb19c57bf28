"""What the standard says of attributes: Table E.1-1, kinds of value, Types, storage classes."""

import csv
import dataclasses
import functools
import importlib.resources
from collections.abc import Iterator

TABLE_EDITION = "DICOM PS3.15 2026c Table E.1-1"

TYPE_REQUIRED, TYPE_MAY_BE_EMPTY, TYPE_OPTIONAL = 1, 2, 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One attribute that may pass: as the standard says, or as a keep list has it.

    Attributes:
        vr: of the data dictionary; such as `US or SS` where the file decides.
        least: fewest values.
        most: most values; None where there is no limit.
        rule: name of the rule for this kind of value; in a keep list of the one that decides.
        top_type: Type at the top level, 1 to 3, as most object definitions have it; in a keep list
            resolved for the action of the table.
        nested_type: strictest Type inside sequences.
        other_types: Type by object definition, where that at the top level differs, and by keyword
            of the sequence, where that inside it differs.
    """

    tag: int
    keyword: str
    vr: str
    least: int
    most: int | None
    rule: str
    top_type: int
    nested_type: int
    other_types: dict[str, int]

    def type_in(self, iod: str | None, sequence: str = "") -> int:
        """Return the Type at the top level of an object definition, or inside a sequence.

        Args:
            iod: key of the object definition; None is inside a sequence.
            sequence: its keyword.
        """
        if iod is None:
            return self.other_types.get(sequence, self.nested_type)
        return self.other_types.get(iod, self.top_type)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of Table E.1-1.

    Attributes:
        action: X remove, Z empty, D dummy, U another UID, or several of them.
        softened: by options, from their columns' names to K keep or C clean.
    """

    keyword: str
    action: str
    softened: dict[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StorageClass:
    """What the door does with one SOP class.

    Attributes:
        iod: key of its object definition.
        reason: code of the reason why it is held; empty where it passes.
    """

    iod: str
    reason: str


@functools.cache
def facts() -> dict[int, Attribute]:
    """Return what may pass with any profile, by tag."""
    return {int(row["tag"], 16): _attribute(row) for row in read_table("attributes.csv")}


@functools.cache
def sequence_tags() -> frozenset[int]:
    """Return the tags of all sequences that a profile may let pass."""
    return frozenset(tag for tag, fact in facts().items() if fact.vr == "SQ")


@functools.cache
def table_rows() -> dict[int, Row]:
    """Return Table E.1-1 by tag."""
    return {int(row["tag"], 16): _row(row) for row in read_table("table_e1_1.csv")}


@functools.cache
def storage_classes() -> dict[str, StorageClass]:
    """Return the known storage classes by UID."""
    return {
        row["uid"]: StorageClass(iod=row["iod"], reason=row["reason"])
        for row in read_table("storage_classes.csv")
    }


def read_table(name: str) -> Iterator[dict[str, str]]:
    """Read a CSV file of this room; lines that begin with `#` are comments."""
    return csv.DictReader(read_lines(name))


def read_lines(name: str) -> list[str]:
    """Read the lines of a data file of this room, without comments."""
    text = (importlib.resources.files("sightline.deid") / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def values_of(multiplicity: str) -> tuple[int, int | None]:
    """Return the fewest and the most values of a multiplicity such as `1-n`."""
    least, _, most = multiplicity.partition("-")
    if not most:
        return int(least), int(least)
    return int(least), int(most) if most.isdigit() else None


def _attribute(row: dict[str, str]) -> Attribute:
    least, most = values_of(row["vm"])
    return Attribute(
        tag=int(row["tag"], 16),
        keyword=row["keyword"],
        vr=row["vr"],
        least=least,
        most=most,
        rule=row["kind"],
        top_type=int(row["type"]),
        nested_type=int(row["nested"]),
        other_types={
            place: int(type_)
            for place, _, type_ in (each.partition(":") for each in row["other"].split())
        },
    )


def _row(row: dict[str, str]) -> Row:
    return Row(
        keyword=row.pop("keyword"),
        action=row.pop("action"),
        softened={option: how for option, how in row.items() if option != "tag" and how},
    )
