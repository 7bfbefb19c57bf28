"""The keep list: every attribute that may pass the door, by which rule, and of which Type."""

import csv
import dataclasses
import functools
import importlib.resources
from collections.abc import Iterator

TABLE_EDITION = "DICOM PS3.15 2026c Table E.1-1"

TYPE_REQUIRED, TYPE_MAY_BE_EMPTY, TYPE_OPTIONAL = 1, 2, 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One line of the keep list.

    Attributes:
        vr: of the data dictionary; such as `US or SS` where the file decides.
        least: fewest values.
        most: most values; None where there is no limit.
        rule: name of the rule file that decides on the value.
        top_type: Type at the top level, 1 to 3, as most object definitions have it.
        nested_type: strictest Type inside sequences.
        other_types: Type at the top level by object definition, where it differs.
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

    def type_in(self, iod: str | None) -> int:
        """Return the Type at the top level of an object definition; None is inside a sequence."""
        if iod is None:
            return self.nested_type
        return self.other_types.get(iod, self.top_type)


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
def attributes() -> dict[int, Attribute]:
    """Return the keep list by tag."""
    return {int(row["tag"], 16): _attribute(row) for row in read_table("attributes.csv")}


@functools.cache
def storage_classes() -> dict[str, StorageClass]:
    """Return the known storage classes by UID."""
    return {
        row["uid"]: StorageClass(iod=row["iod"], reason=row["reason"])
        for row in read_table("storage_classes.csv")
    }


@functools.cache
def sequence_tags() -> frozenset[int]:
    """Return the tags whose items are opened."""
    return frozenset(tag for tag, each in attributes().items() if each.vr == "SQ")


def read_table(name: str) -> Iterator[dict[str, str]]:
    """Read a CSV file of this room; lines that begin with `#` are comments."""
    return csv.DictReader(read_lines(name))


def read_lines(name: str) -> list[str]:
    """Read the lines of a data file of this room, without comments."""
    text = (importlib.resources.files("sightline.deid") / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _attribute(row: dict[str, str]) -> Attribute:
    least, _, most = row["vm"].partition("-")
    return Attribute(
        tag=int(row["tag"], 16),
        keyword=row["keyword"],
        vr=row["vr"],
        least=int(least),
        most=_most(least, most),
        rule=row["rule"],
        top_type=int(row["type"]),
        nested_type=int(row["nested"]),
        other_types={
            iod: int(type_)
            for iod, _, type_ in (each.partition(":") for each in row["other"].split())
        },
    )


def _most(least: str, most: str) -> int | None:
    if not most:
        return int(least)
    return int(most) if most.isdigit() else None
