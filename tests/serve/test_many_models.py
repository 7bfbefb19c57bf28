"""More models than memory has room for: each answers when it is asked, within the budget."""

import threading
import time
from collections.abc import Callable
from typing import Self

import numpy as np
import pytest
from structlog.testing import capture_logs

from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.hub.volumes import read_volume
from sightline.serve.engine import Engine
from sightline.serve.resident import used_bytes
from sightline.values.collection import CollectionVersion
from sightline.values.recipe import Recipe
from tests.hubs import CLASSES
from tests.models import add_drawing

MODELS, BUDGET_GB = 24, 4.0
# 150 MB of weights each, more than the budget together.
LARGE = """
name: large-{number}
title: A large model
accepts: {{modality: CT, min_slices: 4}}
task: {{classes: [ground_glass, consolidation]}}
inputs: {{window: [-1000, 300], patch: [32, 64, 64]}}
network: {{base_channels: 48, max_channels: 480, levels: 6}}
"""


class Watch:
    """Looks at the memory of this process many times a second."""

    def __init__(self) -> None:
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._stop.is_set():
            self.most = max(self.most, used_bytes())
            time.sleep(0.002)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def chest(hub: Hub, fill: Callable[..., None]) -> CollectionVersion:
    fill(1)
    return make_version(hub, "chest", Criteria(classes=CLASSES))


@pytest.mark.gate
def test_many_large_models_turn_over_within_the_budget(hub: Hub, chest: CollectionVersion) -> None:
    records = [
        add_drawing(
            hub, chest.label, recipe=Recipe.from_yaml(LARGE.format(number=number)), seed=number
        )
        for number in range(MODELS)
    ]
    volume = read_volume(hub, chest.in_order()[0].volume_digest)
    engine = Engine(hub, threads=2, memory_gb=BUDGET_GB)
    with Watch() as watch, capture_logs() as said:
        drawn = [engine.predict(record, volume).mask for record in [*records, *reversed(records)]]
    assert watch.most <= BUDGET_GB * 1e9
    assert sum(each["event"] == "model_unloaded" for each in said) > 0
    for first, again in zip(drawn[:MODELS], reversed(drawn[MODELS:]), strict=True):
        assert np.array_equal(first, again)
