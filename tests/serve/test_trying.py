"""On which series back ends are tried."""

from collections.abc import Callable

import pytest

from sightline.errors import BadSettings, UnknownName, UnsoundSeries
from sightline.hub.collections import Criteria, Shares, make_version
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.serve.engine import Engine
from sightline.serve.trying import try_on_collection
from sightline.values.model import ModelRecord
from sightline.values.trial import Trial
from sightline.values.volume import Volume
from tests.hubs import CLASSES, add_trained
from tests.models import add_drawing

FOUND = Trial(back_end="eager", agreement=1.0)


class Told(Engine):
    """An engine that remembers what it was to try."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, threads=1)
        self.given: list[Volume] = []

    def try_back_ends(self, _record: ModelRecord, volume: Volume, **_: object) -> Trial:
        self.given.append(volume)
        return FOUND


def test_a_series_outside_the_locked_split_is_looked_at(
    hub: Hub, fill: Callable[..., None]
) -> None:
    fill(*range(6))
    shares = Shares(validation=0.2, test=0.34)
    chosen = make_version(hub, "chest", Criteria(classes=CLASSES), shares=shares)
    add_drawing(hub, chosen.label)
    engine, record = Told(hub), model(hub, "tiny")
    assert try_on_collection(hub, engine, record) == FOUND
    assert try_on_collection(hub, engine, record, on="chest") == FOUND
    assert len(engine.given) == 2
    with pytest.raises(UnknownName):
        try_on_collection(hub, engine, record, on="nothing")
    # Its recipe asks for eight slices, and these have six.
    other = add_trained(hub, "other", collection=chosen.label)
    with pytest.raises(UnsoundSeries, match="6 slices"):
        try_on_collection(hub, engine, other)
    assert len(engine.given) == 2


def test_where_all_is_locked_another_is_asked_for(hub: Hub, fill: Callable[..., None]) -> None:
    fill(*range(3))
    shares = Shares(validation=0.0, test=1.0)
    locked = make_version(hub, "locked", Criteria(classes=CLASSES), shares=shares)
    record = add_trained(hub, "tiny", collection=locked.label)
    with pytest.raises(BadSettings, match="locked") as refusal:
        try_on_collection(hub, Told(hub), record)
    assert "--on" in refusal.value.hint
