"""From any name, identified or not, to its place in lineage."""

import dataclasses

from sightline.archive.archive import Archive
from sightline.archive.studies import lineage_of_instance
from sightline.hub.collections import version
from sightline.hub.hub import Hub
from sightline.hub.lineage import Direction, trace
from sightline.hub.subjects import subjects_now
from sightline.settings import Settings
from sightline.values.collection import SPLITS, Split
from sightline.values.identity import InstanceUid, LineageId
from sightline.values.lineage import Kind, Node, Trace

_MANY: frozenset[Kind] = frozenset({"subject", "series", "annotation"})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Whom something was learned from, and whom it is about.

    Attributes:
        taught: subjects of the training collections above it, by collection and split: those of
            `train` taught, those of `validation` were only looked at, those of `test` judged.
        about: subjects whose images it was drawn on; empty for a model or a run.
    """

    taught: dict[str, dict[Split, tuple[str, ...]]]
    about: tuple[str, ...]


def trace_anything(settings: Settings, name: str, direction: Direction) -> Trace:
    """Walk from a published SOP Instance UID, or from an id or name of the hub.

    Raises:
        UnknownName: Neither the archive nor lineage knows it.
    """
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        known = lineage_of_instance(archive, InstanceUid(name))
        return trace(hub, known or name, direction)
    finally:
        archive.close()
        hub.close()


def origin_of(settings: Settings, found: Trace) -> Origin:
    """Answer which subjects taught what a trace began with, and whom it is about."""
    hub = Hub.open(settings)
    try:
        collections = [step.node for step in found.steps if step.node.kind == "collection"]
        taught = {node.name: _subjects_by_split(hub, node.name) for node in collections}
        series = [
            s.node for s in found.steps if s.via == found.start.id and s.node.kind == "series"
        ]
        about = {subject for node in series for subject in _subjects_above(hub, node)}
    finally:
        hub.close()
    return Origin(taught=taught, about=tuple(sorted(about)))


def outline(found: Trace, *, everything: bool) -> list[tuple[int, Node | str]]:
    """Return the walk as an indented tree; many nodes of one kind become a count.

    Args:
        found: the walk.
        everything: list subjects, series and annotations one by one too.
    """
    children: dict[LineageId, list[Node]] = {}
    for step in found.steps:
        children.setdefault(step.via, []).append(step.node)
    lines: list[tuple[int, Node | str]] = []

    def add(node: Node, depth: int) -> None:
        lines.append((depth, node))
        below = children.get(node.id, [])
        counted = [] if everything else [each for each in below if each.kind in _MANY]
        for each in below:
            if each not in counted or len(counted) <= len(_MANY):
                add(each, depth + 1)
        if len(counted) > len(_MANY):
            lines.append((depth + 1, _counts(counted)))

    add(found.start, 0)
    return lines


def _counts(nodes: list[Node]) -> str:
    kinds = sorted({node.kind for node in nodes})
    return ", ".join(f"{sum(node.kind == kind for node in nodes)} {kind}" for kind in kinds)


def _subjects_by_split(hub: Hub, label: str) -> dict[Split, tuple[str, ...]]:
    chosen = version(hub, label)
    now = subjects_now(hub, [member.series_uid for member in chosen.members])
    return {
        split: tuple(
            sorted({now.get(each.series_uid, each.subject_id) for each in chosen.of_split(split)})
        )
        for split in SPLITS
    }


def _subjects_above(hub: Hub, node: Node) -> tuple[str, ...]:
    steps = trace(hub, node.id, "up").steps
    return tuple(sorted(step.node.name for step in steps if step.node.kind == "subject"))
