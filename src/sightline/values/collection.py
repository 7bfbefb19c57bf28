"""Collections: a name, and immutable versions split by subject."""

import dataclasses
import hashlib
import json
from typing import Literal, TypeAlias

from sightline.errors import UnknownName
from sightline.values.identity import HubSeriesUid, LineageId, SubjectId

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One series of a version, with the annotation that teaches it.

    Attributes:
        reason: why it was taken, for people.
        place: in the order of the names that the series had before the key was rotated; None
            where they have them still. What is taken in order is taken in this one, for ever.
    """

    subject_id: SubjectId
    series_uid: HubSeriesUid
    volume_digest: str
    annotation_id: LineageId | None
    annotation_digest: str | None
    split: Split
    reason: str
    place: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CollectionVersion:
    """The immutable state `NAME@N`; `test` is locked: evaluation alone may read it."""

    name: str
    version: int
    members: tuple[Member, ...]

    @property
    def label(self) -> str:
        """`NAME@N`."""
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest; an order is none of its contents."""
        facts = [dataclasses.asdict(member) for member in self.members]
        for each in facts:
            del each["place"]
        rows = sorted(json.dumps(each, sort_keys=True) for each in facts)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def of_split(self, split: Split) -> tuple[Member, ...]:
        """Members of one split, in a stable order."""
        return tuple(member for member in self.in_order() if member.split == split)

    def in_order(self) -> tuple[Member, ...]:
        """All members, in a stable order."""
        return tuple(sorted(self.members, key=lambda each: (each.place or 0, each.series_uid)))


def parse_label(label: str) -> tuple[str, int | None]:
    """Split `NAME@N` or `NAME` into name and version; None is the newest.

    Raises:
        UnknownName: The part after `@` is no number.
    """
    name, at, version = label.partition("@")
    if not at:
        return name, None
    if not version.isdigit():
        raise UnknownName(
            f"{label!r} names no version", hint="Write NAME@N, such as covid@3, or NAME alone."
        )
    return name, int(version)
