"""Several models of one series share what is read and prepared of it; their results stay theirs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.studies import study, study_of_series
from sightline.errors import BadFile
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.serve.at_hand import AtHand
from sightline.serve.engine import Engine
from sightline.serve.making import Made, make
from sightline.values.arrival import Source
from sightline.values.identity import Digest, LineageId, SeriesUid
from sightline.values.model import ModelRecord
from sightline.values.prediction import Prediction
from sightline.values.recipe import Recipe
from tests.hubs import CLASSES
from tests.instances import SERIES, part10_of, slice_of
from tests.models import add_drawing

DRAWING = """
name: drawing-{number}
title: A model that draws
accepts: {{modality: CT, min_slices: 4}}
task: {{classes: [ground_glass, consolidation]}}
inputs: {{window: [-1000, {window}], patch: [8, 16, 16]}}
network: {{base_channels: 8, max_channels: 16, levels: 2}}
"""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def records(hub: Hub, fill: Callable[..., None]) -> list[ModelRecord]:
    """Three models; the last wants another window than the others."""
    fill(1)
    chest = make_version(hub, "chest", Criteria(classes=CLASSES)).label
    return [
        add_drawing(
            hub,
            chest,
            recipe=Recipe.from_yaml(DRAWING.format(number=number, window=window)),
            seed=number,
        )
        for number, window in enumerate((300, 300, 100))
    ]


def receive(archive: Archive, number: int = 0) -> list[Digest]:
    series = f"{SERIES}.{number}"
    for each in range(1, 11):
        noisy = slice_of(1000 * number + each, ImagePositionPatient=[-10, -20, 2.0 * each])
        noisy.StudyInstanceUID, noisy.SeriesInstanceUID = f"{series}.0", series
        noisy.SOPInstanceUID = f"{series}.{each}"
        keep(archive, part10_of(noisy), Source(name="test"))
    whole = study(archive, study_of_series(archive, SeriesUid(series)))
    return [each.digest for each in whole.instances]


def predict(engine: Engine, archive: Archive, record: ModelRecord, inputs: list[Digest]) -> Made:
    prediction = Prediction(
        lineage_id=LineageId(f"prediction-{record.name}"),
        study_uid=study_of_series(archive, SeriesUid(f"{SERIES}.0")),
        series_uid=SeriesUid(f"{SERIES}.0"),
        series_digest="",
        model_id=record.lineage_id,
        model_version=record.label,
        created_at="2026-01-02T03:04:05+00:00",
    )
    with archive.objects.local_copies(inputs) as files:
        return make(engine, record, prediction, files=files, inputs=inputs, patient=None)


def test_what_models_share_changes_no_byte_of_their_results(
    archive: Archive, hub: Hub, records: list[ModelRecord]
) -> None:
    inputs = receive(archive)
    shared = Engine(hub, threads=1)
    # There and back, so that each follows another one.
    together = [predict(shared, archive, each, inputs) for each in (*records, *records[::-1])]
    apart = [predict(Engine(hub, threads=1), archive, each, inputs) for each in records]
    for made, again, alone in zip(together, together[::-1], apart, strict=False):
        assert made.objects == again.objects == alone.objects
        assert (made.finding, made.picture) == (alone.finding, alone.picture)
    assert len({made.objects[min(made.objects)] for made in apart}) == len(records)


def test_a_series_is_read_once_until_another_one_is_asked_for(archive: Archive) -> None:
    first, second = receive(archive, 0), receive(archive, 1)
    at_hand = AtHand()
    with (
        archive.objects.local_copies(first) as files,
        archive.objects.local_copies(second) as others,
    ):
        read = at_hand.series(first, files)
        assert at_hand.series(first, files) is read
        assert read.part(0) is read.part(0)
        assert at_hand.series(second, others) is not read
        again = at_hand.series(first, files)
        assert again is not read
        at_hand.forget()
        assert at_hand.series(first, files) is not again


def test_a_series_that_cannot_be_read_leaves_none_at_hand(archive: Archive, tmp_path: Path) -> None:
    inputs, at_hand = receive(archive), AtHand()
    (broken := tmp_path / "broken").write_bytes(b"nothing")
    with archive.objects.local_copies(inputs) as files:
        read = at_hand.series(inputs, files)
        with pytest.raises(BadFile):
            at_hand.series([Digest("0" * 64)], [broken])
        assert at_hand.series(inputs, files) is not read


def test_networks_that_want_the_same_of_a_volume_share_it(
    archive: Archive, hub: Hub, records: list[ModelRecord]
) -> None:
    inputs, engine = receive(archive), Engine(hub, threads=1)
    plans = [engine.load(each).manifest.plan for each in records]
    with archive.objects.local_copies(inputs) as files:
        part = engine.at_hand.series(inputs, files).part(0)
        first, second, other = (part.prepare(part.volume, plan) for plan in plans)
    assert first is second
    assert other is not first
    assert not first.image.equal(other.image)
