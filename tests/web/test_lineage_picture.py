from hypothesis import given
from hypothesis import strategies as st

from sightline.values.identity import LineageId
from sightline.values.lineage import Kind, Node, Trace, TraceStep
from sightline.web.lineage_picture import draw_lineage, kinds_of

KINDS: tuple[Kind, ...] = ("model", "run", "collection", "series", "annotation", "subject")


def node(number: int, kind: Kind = "model") -> Node:
    id_ = LineageId(f"{kind}-{number}")
    return Node(id=id_, kind=kind, name=id_, facts={}, created_at="2026-01-15T08:30:00+00:00")


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Make walks as the hub gives them: each step is one further than the one it came by."""
    start = node(0)
    depths = {start.id: 0}
    steps: list[TraceStep] = []
    for number in range(1, draw(st.integers(0, 25)) + 1):
        via = draw(st.sampled_from(sorted(depths)))
        made = node(number, draw(st.sampled_from(KINDS)))
        depths[made.id] = depths[via] + 1
        steps.append(TraceStep(node=made, depth=depths[made.id], via=via))
    return Trace(start=start, steps=tuple(sorted(steps, key=lambda step: step.depth)))


@given(traces())
def test_every_node_is_drawn_once_and_no_boxes_overlap(found: Trace) -> None:
    picture = draw_lineage(found)
    drawn = [each.id for box in picture.boxes for each in box.nodes]
    assert sorted(drawn) == sorted([found.start.id, *(step.node.id for step in found.steps)])
    for number, one in enumerate(picture.boxes):
        assert 0 <= one.x <= picture.width - picture.box_width
        assert 0 <= one.y <= picture.height - picture.box_height
        for other in picture.boxes[number + 1 :]:
            apart_x = abs(one.x - other.x) >= picture.box_width
            apart_y = abs(one.y - other.y) >= picture.box_height
            assert apart_x or apart_y


@given(traces())
def test_every_box_but_the_first_hangs_on_a_line(found: Trace) -> None:
    picture = draw_lineage(found)
    ends = {path.rpartition("C")[2].split(" ", 4)[4] for path in picture.paths}
    for box in picture.boxes[1:]:
        assert f"{box.x + picture.box_width / 2:g} {box.y:g}" in ends


def test_many_alike_become_a_stack() -> None:
    start = node(0)
    steps = tuple(
        TraceStep(node=node(number, "subject"), depth=1, via=start.id) for number in range(40)
    )
    picture = draw_lineage(Trace(start=start, steps=steps))
    assert [(box.title, box.is_stack) for box in picture.boxes[1:]] == [("40 subjects", True)]


def test_nodes_are_listed_by_kind() -> None:
    start = node(0)
    steps = tuple(
        TraceStep(node=node(1 + number, kind), depth=1, via=start.id)
        for number, kind in enumerate(KINDS)
    )
    listed = kinds_of(Trace(start=start, steps=steps))
    assert [kind for kind, _ in listed] == [
        "model",
        "collection",
        "run",
        "annotation",
        "series",
        "subject",
    ]
    assert [len(nodes) for _, nodes in listed] == [2, 1, 1, 1, 1, 1]
