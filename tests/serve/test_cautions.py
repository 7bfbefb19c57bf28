"""What is unlike its training is said beside the result, everywhere it goes, and made again."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.results import objects_of, prediction
from sightline.archive.worklist import worklist
from sightline.errors import Refused
from sightline.formats.fhir_result import write_transaction
from sightline.formats.hl7_result import write_oru
from sightline.formats.sr import read_sr
from sightline.hub.collections import Criteria, Shares, make_version
from sightline.hub.familiar import familiar_now
from sightline.hub.hub import Hub
from sightline.hub.predictions import predictions
from sightline.serve.collection_predicting import predict_collection
from sightline.serve.engine import Engine
from sightline.serve.making import result_id
from sightline.serve.predicting import predict_series
from sightline.serve.publishing import publish_prediction
from sightline.serve.remaking import remake
from sightline.train.familiarity import familiarize
from sightline.values.arrival import Source
from sightline.values.collection import CollectionVersion
from sightline.values.finding import UNFAMILIAR
from sightline.values.identity import LineageId, SeriesUid
from sightline.values.model import ModelRecord
from tests.clinical_results import FINDING, RESULT
from tests.hubs import CLASSES
from tests.instances import SERIES, part10_of, slice_of
from tests.models import add_drawing

STUDIES = 8


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def chosen(hub: Hub, fill: Callable[..., None]) -> CollectionVersion:
    fill(*range(STUDIES))
    shares = Shares(validation=0, test=0)
    return make_version(hub, "chest", Criteria(classes=CLASSES), shares=shares)


@pytest.fixture
def record(hub: Hub, chosen: CollectionVersion) -> ModelRecord:
    return add_drawing(hub, chosen.label)


def receive(archive: Archive) -> SeriesUid:
    for number in range(1, 11):
        keep(archive, part10_of(slice_of(number, size=64)), Source(name="test"))
    return SeriesUid(SERIES)


def publish(archive: Archive, hub: Hub, record: ModelRecord) -> LineageId:
    engine = Engine(hub, threads=1)
    series = receive(archive)
    made = predict_series(archive, engine, hub, series_uid=series, model_id=record.lineage_id)
    assert made is not None
    publish_prediction(archive, hub, made, pacs="")
    return made.prediction.lineage_id


def test_a_series_unlike_the_training_is_published_with_a_caution(
    archive: Archive, hub: Hub, record: ModelRecord, chosen: CollectionVersion
) -> None:
    familiarize(hub, record, chosen.label)
    name = publish(archive, hub, record)
    published = prediction(archive, name)
    finding = published.finding
    assert finding is not None
    assert any("size or spacing" in each for each in finding.cautions)
    digest = objects_of(archive, [result_id(name, "sr")])[result_id(name, "sr")]
    said = read_sr(archive.objects.get(digest))
    assert said.words == finding.words
    assert said.cautions == tuple(f"CAUTION: {each}." for each in finding.cautions)
    (entry,) = worklist(archive, since=0).entries
    assert entry.words == (f"{finding.words} (caution: {UNFAMILIAR})",)
    assert published.making is not None
    assert published.making.familiar == familiar_now(hub, record.lineage_id)


def test_what_is_in_a_caution_comes_out_again_whatever_was_learnt_since(
    archive: Archive,
    hub: Hub,
    record: ModelRecord,
    chosen: CollectionVersion,
    fill: Callable[..., None],
) -> None:
    familiarize(hub, record, chosen.label)
    before = familiar_now(hub, record.lineage_id)
    name = publish(archive, hub, record)
    fill(*range(STUDIES, STUDIES + 4))
    larger = make_version(
        hub, "chest", Criteria(classes=CLASSES), shares=Shares(validation=0, test=0)
    )
    familiarize(hub, record, larger.label)
    assert familiar_now(hub, record.lineage_id) != before
    again = remake(archive, Engine(hub, threads=1), hub, name=name)
    assert again.is_equal
    assert again.objects == 3


def test_where_nobody_looked_nothing_is_said(
    archive: Archive, hub: Hub, record: ModelRecord
) -> None:
    name = publish(archive, hub, record)
    familiarize(hub, record, "chest@1")
    known = prediction(archive, name)
    assert known.finding is not None
    assert known.finding.cautions == ()
    assert known.making is not None
    assert known.making.familiar == ""
    # What counts since does not change what was said before.
    assert remake(archive, Engine(hub, threads=1), hub, name=name).is_equal


def test_too_few_series_are_refused(hub: Hub, fill: Callable[..., None]) -> None:
    fill(0, 1)
    few = make_version(hub, "few", Criteria(classes=CLASSES), shares=Shares(validation=0, test=0))
    record = add_drawing(hub, few.label)
    with pytest.raises(Refused, match="2 series outside its test split"):
        familiarize(hub, record, few.label)
    assert familiar_now(hub, record.lineage_id) is None


def test_predictions_of_a_collection_say_it_too(
    hub: Hub, record: ModelRecord, chosen: CollectionVersion
) -> None:
    familiarize(hub, record, chosen.label)
    predict_collection(hub, Engine(hub, threads=1), record, chosen=chosen)
    found = predictions(hub, model_id=record.lineage_id)
    assert len(found) == STUDIES
    assert all(each.finding.cautions == () for each in found)


def test_messages_say_it() -> None:
    finding = dataclasses.replace(FINDING, cautions=("its size | is", "its values are"))
    said = dataclasses.replace(RESULT.prediction, finding=finding)
    cautious = dataclasses.replace(RESULT, prediction=said)
    lines = write_oru(cautious, facility="HERE").decode().split("\r")
    assert [line.split("|")[5] for line in lines if "CAUTION" in line] == [
        "CAUTION: its size \\F\\ is.",
        "CAUTION: its values are.",
    ]
    bundle = json.loads(write_transaction(cautious, systems={}))
    (report,) = (
        each["resource"]
        for each in bundle["entry"]
        if each["resource"]["resourceType"] == "DiagnosticReport"
    )
    assert report["conclusion"].endswith("CAUTION: its size | is. CAUTION: its values are.")
