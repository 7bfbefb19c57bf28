"""The graph of what came from what, walked both ways."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.database import insert_new
from sightline.catalog.hub_tables import EDGE, NODE, PREDICTION
from sightline.errors import UnknownName
from sightline.hub.hub import Hub
from sightline.values.identity import LineageId
from sightline.values.lineage import Kind, Node, Trace, TraceStep

Direction: TypeAlias = Literal["up", "down"]


def record(
    connection: sa.Connection,
    node: Node,
    parents: Iterable[LineageId],
) -> None:
    """Enter a node and the edges to its parents; a repeat changes nothing."""
    insert_new(
        connection,
        NODE,
        {
            "id": node.id,
            "kind": node.kind,
            "name": node.name,
            "facts": node.facts,
            "created_at": node.created_at,
        },
    )
    for parent in parents:
        insert_new(connection, EDGE, {"child": node.id, "parent": parent})


def node_of(id_: LineageId, kind: Kind, *, name: str, facts: dict[str, str] | None = None) -> Node:
    """Make a node that is created now."""
    return Node(id=id_, kind=kind, name=name, facts=facts or {}, created_at=clock.now().isoformat())


def find(hub: Hub, id_or_name: str) -> Node:
    """Return the node with that id, or the newest with that name.

    Raises:
        UnknownName: Lineage holds neither.
    """
    with hub.database.read() as connection:
        row = connection.execute(
            sa.select(NODE)
            .where((NODE.c.id == id_or_name) | (NODE.c.name == id_or_name))
            .order_by((NODE.c.id == id_or_name).desc(), NODE.c.created_at.desc())
            .limit(1)
        ).first()
    if row is None:
        raise UnknownName(
            f"lineage holds nothing called {id_or_name!r}",
            hint="Give a SOP Instance UID that Sightline published, or a hub id or name such as "
            "a subject, a series UID, covid@3 or a run.",
        )
    return _node(row)


def trace(hub: Hub, id_or_name: str, direction: Direction) -> Trace:
    """Walk from a node to everything above it, or to everything below it; nearest first.

    Raises:
        UnknownName: Lineage holds no such node.
    """
    start = find(hub, id_or_name)
    steps: list[TraceStep] = []
    seen = {start.id}
    frontier = [start.id]
    depth = 0
    with hub.database.read() as connection:
        while frontier:
            depth += 1
            found = _neighbours(connection, frontier, direction)
            fresh = [(via, node) for via, node in found if node.id not in seen]
            frontier = []
            for via, node in fresh:
                if node.id in seen:
                    continue
                seen.add(node.id)
                frontier.append(node.id)
                steps.append(TraceStep(node=node, depth=depth, via=via))
    return Trace(start=start, steps=tuple(steps))


def count_result_links(hub: Hub) -> int:
    """Count the edges from results, which the archive knows by their patients, to series."""
    with hub.database.read() as connection:
        query = sa.select(sa.func.count()).select_from(EDGE).where(_joins_stores())
        return int(connection.execute(query).scalar_one())


def cut_result_links(hub: Hub) -> None:
    """Remove those edges, so that no result leads from its patient to a subject.

    What a result owes to its model, and the model to those it was learned from, stays.
    """
    with hub.database.write() as connection:
        connection.execute(EDGE.delete().where(_joins_stores()))


def _joins_stores() -> sa.ColumnElement[bool]:
    # What was predicted in the hub itself, the archive does not know.
    ours = sa.select(PREDICTION.c.lineage_id)
    results = sa.select(NODE.c.id).where(
        NODE.c.kind.in_(("prediction", "result")), NODE.c.id.not_in(ours)
    )
    series = sa.select(NODE.c.id).where(NODE.c.kind == "series")
    return EDGE.c.child.in_(results) & EDGE.c.parent.in_(series)


def _neighbours(
    connection: sa.Connection, ids: list[LineageId], direction: Direction
) -> list[tuple[LineageId, Node]]:
    here, there = (
        (EDGE.c.child, EDGE.c.parent) if direction == "up" else (EDGE.c.parent, EDGE.c.child)
    )
    found = []
    # SQLite takes a limited number of parameters a statement.
    for first in range(0, len(ids), 500):
        rows = connection.execute(
            sa.select(here.label("via"), NODE)
            .join(NODE, NODE.c.id == there)
            .where(here.in_(ids[first : first + 500]))
            .order_by(NODE.c.kind, NODE.c.name, NODE.c.id)
        ).all()
        found += [(LineageId(row.via), _node(row)) for row in rows]
    return found


def _node(row: sa.Row[tuple[object, ...]]) -> Node:
    return Node(
        id=LineageId(row.id),
        kind=row.kind,
        name=row.name,
        facts=row.facts,
        created_at=row.created_at,
    )
