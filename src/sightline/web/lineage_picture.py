"""A walk through lineage as boxes and lines: one row a step, many alike as one stack."""

import dataclasses
from collections.abc import Iterable, Sequence

from sightline.values.identity import LineageId
from sightline.values.lineage import Kind, Node, Trace

_BOX_WIDTH, _BOX_HEIGHT = 224, 62
_GAP_X, _GAP_Y = 20, 32
_MARGIN = 8
_LONGEST_NAME, _LONGEST_FACT = 23, 30
_MOST_ALIKE = 2
"""More nodes of one kind in one row become a stack."""

_ORDER: tuple[Kind, ...] = (
    "prediction",
    "model",
    "collection",
    "run",
    "recipe",
    "code",
    "environment",
    "package",
    "annotation",
    "series",
    "subject",
    "result",
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One node, or a stack of nodes of one kind.

    Attributes:
        x: left edge in pixels; `y` the upper one.
        fact: the first that fits on a line, else when it was recorded.
    """

    x: float
    y: float
    kind: Kind
    title: str
    fact: str
    nodes: tuple[Node, ...]

    @property
    def is_stack(self) -> bool:
        """It stands for several nodes."""
        return len(self.nodes) > 1


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LineagePicture:
    """Boxes of one size and the paths between them (SVG path data), in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    paths: tuple[str, ...]
    box_width: float = _BOX_WIDTH
    box_height: float = _BOX_HEIGHT


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    kind: Kind
    nodes: tuple[Node, ...]
    parents: frozenset[LineageId]


def draw_lineage(found: Trace) -> LineagePicture:
    """Lay a walk out, where it began at the top."""
    start = _Group(found.start.kind, (found.start,), frozenset())
    rows = [[start], *_rows(found)]
    width = max(_row_width(row) for row in rows) + 2 * _MARGIN
    boxes, paths = [], []
    places: dict[LineageId, Box] = {}
    for depth, row in enumerate(rows):
        ordered = sorted(row, key=lambda group: _sort_key(group, places))
        left = (width - _row_width(row)) / 2
        for column, group in enumerate(ordered):
            box = _box(group, left + column * (_BOX_WIDTH + _GAP_X), depth)
            above = {id(places[parent]): places[parent] for parent in group.parents}
            paths += [_path(upper, box) for upper in above.values()]
            boxes.append(box)
            places |= {node.id: box for node in group.nodes}
    height = len(rows) * (_BOX_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    return LineagePicture(width=width, height=height, boxes=tuple(boxes), paths=tuple(paths))


def kinds_of(found: Trace) -> list[tuple[Kind, list[Node]]]:
    """Return the nodes of a walk by kind, in the order that people read them."""
    nodes = [found.start, *(step.node for step in found.steps)]
    kinds: list[Kind] = ["result", *_ORDER[:-1]]
    groups = [(kind, [node for node in nodes if node.kind == kind]) for kind in kinds]
    return [(kind, group) for kind, group in groups if group]


def _rows(found: Trace) -> Iterable[list[_Group]]:
    for depth in sorted({step.depth for step in found.steps}):
        steps = [step for step in found.steps if step.depth == depth]
        row: list[_Group] = []
        for kind in _ORDER:
            alike = [step for step in steps if step.node.kind == kind]
            if len(alike) > _MOST_ALIKE:
                nodes = tuple(step.node for step in alike)
                row.append(_Group(kind, nodes, frozenset(step.via for step in alike)))
            else:
                row += [_Group(kind, (step.node,), frozenset((step.via,))) for step in alike]
        yield row


def _row_width(row: Sequence[_Group]) -> float:
    return len(row) * (_BOX_WIDTH + _GAP_X) - _GAP_X


def _sort_key(group: _Group, places: dict[LineageId, Box]) -> tuple[float, int]:
    above = [places[parent].x for parent in group.parents]
    centre = sum(above) / len(above) if above else 0.0
    return centre, _ORDER.index(group.kind)


def _box(group: _Group, x: float, depth: int) -> Box:
    first = group.nodes[0]
    y = _MARGIN + depth * (_BOX_HEIGHT + _GAP_Y)
    if len(group.nodes) > 1:
        title, fact = f"{len(group.nodes)} {_plural(group.kind)}", "listed below"
    else:
        title, fact = _short(first.name, _LONGEST_NAME), _first_fact(first)
    return Box(x=x, y=y, kind=group.kind, title=title, fact=fact, nodes=group.nodes)


def _first_fact(node: Node) -> str:
    for name, value in node.facts.items():
        if value and value != node.name:
            text = f"{name} {value[:12]}" if name in {"digest", "weights"} else f"{name} {value}"
            if "\n" not in text:
                return _short(text, _LONGEST_FACT)
    return node.created_at[:16].replace("T", " ")


def _plural(kind: Kind) -> str:
    return kind if kind == "series" else f"{kind}s"


def _short(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _path(upper: Box, lower: Box) -> str:
    x0, y0 = upper.x + _BOX_WIDTH / 2, upper.y + _BOX_HEIGHT
    x1, y1 = lower.x + _BOX_WIDTH / 2, lower.y
    middle = (y0 + y1) / 2
    return f"M{x0:g} {y0:g}C{x0:g} {middle:g} {x1:g} {middle:g} {x1:g} {y1:g}"
