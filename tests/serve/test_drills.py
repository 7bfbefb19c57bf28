"""A bad next version does not go live, whatever is bad about it; and the way back is short."""

import time
from collections.abc import Iterator

import pytest

from sightline.errors import GateFailed
from sightline.hub.models import model, models
from sightline.serve.releasing import release, roll_back
from tests.serve.drills import DRILLS, Drill, House, build, go_through, publish_all, unchanged

IN_CI = {"classes exchanged in its weights", "never urgent", "a gate of its own"}
MOST_SECONDS_BACK = 300


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = build(tmp_path_factory.mktemp("drills"))
    made.evaluate(made.live)
    release(made.archive, made.hub, made.live.label, approver="A", reason="first")
    publish_all(made)
    yield made
    made.archive.close()
    made.hub.close()


@pytest.mark.parametrize(
    "name",
    [each if each in IN_CI else pytest.param(each, marks=pytest.mark.gate) for each in DRILLS],
)
def test_a_bad_version_is_stopped(house: House, name: str) -> None:
    record = go_through(house, DRILLS[name])
    with pytest.raises(GateFailed):
        release(house.archive, house.hub, record.label, approver="A", reason="drill")
    assert [each.label for each in models(house.hub, state="live")] == [house.live.label]


def test_there_are_twenty() -> None:
    assert len(DRILLS) == 20


def test_a_version_as_good_goes_live_and_is_taken_back_at_once(house: House) -> None:
    """The gate that stops the others lets this one through: it is no wall."""
    record = go_through(house, Drill(unchanged))
    release(house.archive, house.hub, record.label, approver="A", reason="as good")
    assert model(house.hub, record.label).state == "live"
    began = time.monotonic()
    back = roll_back(house.hub, "lesions", approver="A", reason="drill")
    took = time.monotonic() - began
    assert back.label == house.live.label
    assert took < MOST_SECONDS_BACK
    assert [each.label for each in models(house.hub, state="live")] == [house.live.label]
