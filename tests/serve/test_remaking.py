"""A published result comes out again from its record, bit for bit, and what does not is named."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.results import prediction, published_predictions
from sightline.catalog.archive_tables import PREDICTION
from sightline.errors import Refused, UnknownName
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.hub.models import keep_trials
from sightline.serve import remaking
from sightline.serve.engine import Engine
from sightline.serve.making import Made, make, prediction_of_result, result_ids
from sightline.serve.predicting import predict_series
from sightline.serve.publishing import publish_prediction
from sightline.serve.remaking import remake
from sightline.values.arrival import Source
from sightline.values.identity import LineageId, SeriesUid
from sightline.values.model import ModelRecord
from sightline.values.trial import Trial
from tests.hubs import CLASSES
from tests.instances import SERIES, part10_of, slice_of
from tests.models import add_drawing

SLICES = 10


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def record(hub: Hub, fill: Callable[..., None]) -> ModelRecord:
    fill(1)
    return add_drawing(hub, make_version(hub, "chest", Criteria(classes=CLASSES)).label)


def receive(archive: Archive, number: int = 0, *, first: int = 1, count: int = SLICES) -> SeriesUid:
    series = f"{SERIES}.{number}"
    for each in range(first, first + count):
        names = {
            "StudyInstanceUID": f"{series}.0",
            "SeriesInstanceUID": series,
            "SOPInstanceUID": f"{series}.{each}",
        }
        noisy = slice_of(1000 * number + each, ImagePositionPatient=[-10, -20, 2.0 * each])
        for name, value in names.items():
            setattr(noisy, name, value)
        keep(archive, part10_of(noisy), Source(name="test"))
    return SeriesUid(series)


def publish(archive: Archive, hub: Hub, record: ModelRecord, series: SeriesUid) -> LineageId:
    made = predict_series(
        archive, Engine(hub, threads=1), hub, series_uid=series, model_id=record.lineage_id
    )
    assert made is not None
    publish_prediction(archive, hub, made, pacs="")
    return made.prediction.lineage_id


def change(archive: Archive, **columns: object) -> None:
    with archive.database.write() as connection:
        connection.execute(PREDICTION.update().values(**columns))


def test_every_byte_comes_out_again(archive: Archive, hub: Hub, record: ModelRecord) -> None:
    series = receive(archive)
    name = publish(archive, hub, record, series)
    # What arrives later is no part of what was predicted.
    receive(archive, first=SLICES + 1, count=2)
    found = remake(archive, Engine(hub, threads=1), hub, name=name)
    assert (found.is_equal, found.objects, found.differences) == (True, 3, ())
    making = prediction(archive, name).making
    assert making is not None
    assert len(making.inputs) == SLICES
    assert set(making.seconds) == {"read", "load", "predict", "measure", "write"}
    assert {"python", "sightline", "torch", "highdicom"} <= set(making.software)


def test_it_is_made_by_the_back_end_of_then(
    archive: Archive, hub: Hub, record: ModelRecord
) -> None:
    name = publish(archive, hub, record, receive(archive))
    engine = Engine(hub, threads=1)
    faster = Trial(back_end="eager_bfloat16", window_s=0.001, agreement=1.0, ready_s=0.0)
    keep_trials(hub, record.lineage_id, [faster], machine=engine.ran(record).machine)
    engine = Engine(hub, threads=1)
    assert engine.load(record).back_end == "eager_bfloat16"
    assert remake(archive, engine, hub, name=name).is_equal


def test_what_comes_out_otherwise_is_named(archive: Archive, hub: Hub, record: ModelRecord) -> None:
    name = publish(archive, hub, record, receive(archive))
    then = prediction(archive, name)
    assert then.making is not None
    assert then.finding is not None
    elsewhere = dataclasses.replace(
        then.making, machine="another", software=then.making.software | {"numpy": "0.1"}
    )
    change(
        archive,
        created_at="2026-01-02T03:04:05+00:00",
        finding=dataclasses.asdict(then.finding) | {"words": "otherwise"},
        making=dataclasses.asdict(elsewhere),
        picture_digest="0" * 64,
    )
    found = remake(archive, Engine(hub, threads=1), hub, name=name)
    kinds = [each.rpartition("-")[2] for each in found.changed]
    assert kinds == ["seg", "sr", "sc", "finding", "picture"]
    assert [each.partition(":")[0] for each in found.differences] == ["machine", "numpy"]


def test_an_object_that_was_published_and_is_not_made_again_is_named(
    archive: Archive, hub: Hub, record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = publish(archive, hub, record, receive(archive))

    def without_sr(*given: object, **named: object) -> Made:
        made = make(*given, **named)  # type: ignore[arg-type]
        kept = {each: made.objects[each] for each in made.objects if not each.endswith("-sr")}
        return dataclasses.replace(made, objects=kept)

    monkeypatch.setattr(remaking, "make", without_sr)
    found = remake(archive, Engine(hub, threads=1), hub, name=name)
    assert [each.rpartition("-")[2] for each in found.changed] == ["sr"]


def test_names_of_objects_lead_to_their_prediction() -> None:
    name = LineageId("prediction-0123456789ab")
    assert {prediction_of_result(each) for each in result_ids(name)} == {name}
    for other in (name, LineageId("2.25.1"), LineageId("run-1")):
        assert prediction_of_result(other) == other


def test_what_has_no_record_is_refused(archive: Archive, hub: Hub, record: ModelRecord) -> None:
    name = publish(archive, hub, record, receive(archive))
    change(archive, making=sa.null())
    with pytest.raises(Refused, match="does not say how it was made"):
        remake(archive, Engine(hub, threads=1), hub, name=name)
    with pytest.raises(UnknownName, match="has no prediction nothing"):
        remake(archive, Engine(hub, threads=1), hub, name=LineageId("nothing"))


@pytest.mark.gate
def test_a_hundred_picked_at_random_come_out_again(
    archive: Archive, hub: Hub, record: ModelRecord
) -> None:
    for number in range(120):
        publish(archive, hub, record, receive(archive, number))
    published = published_predictions(archive)
    assert len(published) == 120
    engine = Engine(hub, threads=1)
    chosen = random.sample(published, 100)
    found = [remake(archive, engine, hub, name=name) for name in chosen]
    assert sum(each.is_equal for each in found) == 100
    assert sum(each.objects for each in found) == 300
