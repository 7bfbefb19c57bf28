"""Repeating a run proves it, and what was changed since is named."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sightline.catalog.hub_tables import RUN
from sightline.errors import Refused
from sightline.hub.collections import version
from sightline.hub.hub import Hub
from sightline.hub.models import run
from sightline.store.arrays import write_array
from sightline.train.differences import Difference
from sightline.train.reproduce import differences, reproduce
from sightline.train.session import begin, train
from sightline.values.identity import LineageId
from sightline.values.model import RunRecord
from tests.train.hub import LABEL, TINY, with_training, workplace


@pytest.fixture(scope="module")
def run_id(folder: Path) -> LineageId:
    hub = Hub.at(folder / "hub")
    session = begin(hub, TINY, LABEL, workplace=workplace(folder))
    train(hub, session, on_progress=lambda _: None)
    hub.close()
    return session.run_id


@pytest.fixture
def hub(folder: Path, run_id: LineageId) -> Iterator[Hub]:
    opened = Hub.at(folder / "hub")
    before = run(opened, run_id)
    yield opened
    _write(opened, before, before.record, recipe=before.recipe)
    opened.close()


def _write(hub: Hub, known: RunRecord, record: object, *, recipe: str) -> None:
    with hub.database.write() as connection:
        connection.execute(
            RUN.update()
            .where(RUN.c.lineage_id == known.lineage_id)
            .values(record=record, recipe=recipe)
        )


def _changed(hub: Hub, run_id: LineageId, *path: str, value: str) -> RunRecord:
    """Change one value of a run's record, as if it had been another then."""
    known = run(hub, run_id)
    record = json.loads(json.dumps(known.record))
    place = record
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    _write(hub, known, record, recipe=known.recipe)
    return run(hub, run_id)


def test_a_run_is_reproduced_bit_for_bit_and_that_is_noted(
    hub: Hub, run_id: LineageId, folder: Path
) -> None:
    known = run(hub, run_id)
    assert differences(hub, known) == []
    outcome = reproduce(hub, known, [], runs_dir=folder / "runs", on_progress=lambda _: None)
    assert outcome.is_equal
    assert outcome.holds
    assert (outcome.largest, outcome.relative) == (0, 0)
    assert run(hub, run_id).record["reproduced"][-1]["is_equal"] is True
    assert not list((folder / "runs").iterdir())


def test_a_changed_pixel_is_named_though_checksums_and_seal_fit(
    hub: Hub, run_id: LineageId, folder: Path
) -> None:
    known = run(hub, run_id)
    session_member = _member(hub, known)
    array = hub.array(session_member[1])
    voxels, attributes = array.read_stored(), array.attributes
    changed = np.array(voxels)
    changed[2, 3, 4] += 1
    write_array(array.path, changed, attributes)
    try:
        (found,) = differences(hub, known)
        with pytest.raises(Refused, match=f"volume of series {session_member[0]}"):
            reproduce(hub, known, [found], runs_dir=folder, on_progress=lambda _: None)
    finally:
        write_array(array.path, voxels, attributes)
    assert found.kind == "data"
    assert found.name == f"volume of series {session_member[0]}"
    assert differences(hub, known) == []


def test_a_changed_recipe_value_is_named(hub: Hub, run_id: LineageId) -> None:
    known = run(hub, run_id)
    other = with_training(learning_rate=0.2).to_yaml()
    wanted = [Difference(kind="recipe", name="training.learning_rate", then="0.0", now="0.2")]
    assert differences(hub, known, recipe=other) == wanted
    _write(hub, known, known.record, recipe=other)
    assert differences(hub, run(hub, run_id)) == wanted


@pytest.mark.parametrize(
    ("path", "value", "kind", "name"),
    [
        (("environment", "package:torch"), "2.12.0", "library", "torch"),
        (("code", "digest"), "0" * 64, "code", "sightline"),
        (("hardware", "processor_features"), "abacus", "machine", "processor_features"),
        (("hardware", "cpu_capability"), "NONE", "machine", "cpu_capability"),
        (("plan", "overlap"), "0.5", "plan", "overlap"),
    ],
)
def test_what_else_differs_is_named(
    hub: Hub, run_id: LineageId, path: tuple[str, ...], value: str, kind: str, name: str
) -> None:
    typed = float(value) if name == "overlap" else value
    known = _changed(hub, run_id, *path, value=typed)  # type: ignore[arg-type]  # JSON
    (found,) = differences(hub, known)
    assert (found.kind, found.name) == (kind, name)


def test_elsewhere_the_result_is_held_against_a_tolerance(
    hub: Hub, run_id: LineageId, folder: Path
) -> None:
    known = _changed(hub, run_id, "environment", "package:torch", value="2.12.0")
    known.record["threads"] = 1  # what another machine would do to the last bits
    found = differences(hub, known)
    outcome = reproduce(hub, known, found, runs_dir=folder / "runs", on_progress=lambda _: None)
    assert outcome.differences
    assert outcome.relative < 0.05
    assert outcome.holds


def _member(hub: Hub, known: RunRecord) -> tuple[str, str]:
    member = version(hub, known.collection).of_split("train")[0]
    return member.series_uid, member.volume_digest
