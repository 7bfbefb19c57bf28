"""Everything stored has an identity, and parents."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.identity import LineageId

Kind: TypeAlias = Literal[
    "subject",
    "series",
    "annotation",
    "collection",
    "recipe",
    "code",
    "environment",
    "package",
    "run",
    "model",
    "prediction",
    "result",
]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One thing of the lineage graph.

    Attributes:
        name: what people call it, such as `covid@3`.
        facts: what its kind records; no patient value.
        created_at: ISO 8601 in UTC.
    """

    id: LineageId
    kind: Kind
    name: str
    facts: dict[str, str]
    created_at: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A walk through lineage.

    Attributes:
        start: where it began.
        steps: every node met, nearest first, with its distance and what it is to the one before.
    """

    start: Node
    steps: tuple["TraceStep", ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TraceStep:
    """One node of a walk."""

    node: Node
    depth: int
    via: LineageId
