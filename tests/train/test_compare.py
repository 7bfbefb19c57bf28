from pathlib import Path

import pytest

from sightline.errors import UnknownName
from sightline.hub.hub import Hub
from sightline.train.compare import compare, curve_in_a_line, page
from sightline.train.session import begin, train
from tests.train.hub import LABEL, TINY, with_training, workplace


def test_runs_stand_beside_each_other_with_what_differs(hub: Hub, tmp_path: Path) -> None:
    ids = []
    for recipe in (TINY, with_training(learning_rate=0.05, steps=4)):
        session = begin(hub, recipe, LABEL, workplace=workplace(tmp_path))
        train(hub, session, on_progress=lambda _: None)
        ids.append(session.run_id)
    found = compare(hub, ids)
    assert [len(side.loss) for side in found.sides] == [3, 2]
    assert found.sides[0].results["model"] == "tiny@1"
    ((*different,),) = found.differences
    assert {(each.kind, each.name) for each in different} == {
        ("recipe", "training.learning_rate"),
        ("recipe", "training.steps"),
        ("plan", "learning_rate"),
        ("plan", "steps"),
    }
    written = page(found)
    assert written.count("<polyline") == 4
    assert "Research use only" in written
    assert "training.learning_rate" in written
    assert compare(hub, ids[:1]).differences == ()
    with pytest.raises(UnknownName):
        compare(hub, [ids[0], "run-0"])


def test_a_name_cannot_bring_markup_into_the_page(hub: Hub, tmp_path: Path) -> None:
    session = begin(hub, TINY, LABEL, workplace=workplace(tmp_path))
    found = compare(hub, [session.run_id])
    side = found.sides[0]
    odd = type(side)(
        run_id=side.run_id,
        name="<script>",
        loss=((1, 2.0),),
        metric="dice",
        scores=(),
        results={"<b>": "&"},
    )
    written = page(type(found)(sides=(odd,), differences=()))
    assert "<script>" not in written
    assert "<b>" not in written


def test_a_curve_goes_from_its_lowest_to_its_highest() -> None:
    assert curve_in_a_line([(1, 0.0), (2, 0.5), (3, 1.0)]) == "▁▄█  0.000 to 1.000"
    assert curve_in_a_line([]) == "none yet"
