"""Publishing is one transaction: objects, finding and outbox, or nothing; a repeat is no second."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.outbox import due_deliveries, record_attempt, record_delivered
from sightline.archive.receiving import keep
from sightline.archive.results import (
    fail_predictions,
    predictions_of_study,
    publish,
    published_objects,
    start_prediction,
)
from sightline.archive.studies import lineage_of_instance, series_of_study, study
from sightline.errors import NotDicom
from sightline.values.arrival import OutgoingResult, Source
from sightline.values.finding import Finding, Measurement
from sightline.values.identity import InstanceUid, LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Prediction
from tests.instances import ROOT, SERIES, STUDY, part10_of, slice_of, uid

PACS = "PACS@127.0.0.1:104"
FINDING = Finding(
    priority=2,
    words="One nodule, 0.5 ml",
    measurements=(
        Measurement(
            class_name="nodule",
            volume_ml=0.5,
            longest_diameter_mm=9.5,
            components=1,
            tracking_uid="1.2.3",
        ),
    ),
)


@pytest.fixture
def archive(tmp_path: Path, catalog_url: str) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive", catalog_url=catalog_url)
    keep(opened, part10_of(slice_of(1)), Source(name="test"))
    yield opened
    opened.close()


def wanted(number: int = 1, *, model: str = "model-1") -> Prediction:
    return Prediction(
        lineage_id=LineageId(f"prediction-{number}"),
        study_uid=StudyUid(STUDY),
        series_uid=SeriesUid(SERIES),
        series_digest="d" * 64,
        model_id=LineageId(model),
        model_version="nodule@1",
        created_at="2026-01-01T00:00:00+00:00",
    )


def result(number: int) -> OutgoingResult:
    content = part10_of(
        slice_of(
            number,
            SOPInstanceUID=f"{ROOT}.9.{number}",
            SeriesInstanceUID=f"{ROOT}.9",
            SeriesNumber=9,
            Modality="SEG",
        )
    )
    return OutgoingResult(content=content, lineage_id=LineageId(f"result-{number}"))


def published(archive: Archive, *, destinations: list[str]) -> Prediction:
    prediction = start_prediction(archive, wanted())
    done = dataclasses.replace(prediction, finding=FINDING, picture_digest="p" * 64)
    publish(archive, done, [result(1), result(2)], destinations=destinations)
    return done


def test_a_prediction_of_a_series_and_a_model_starts_once(archive: Archive) -> None:
    first = start_prediction(archive, wanted(1))
    assert start_prediction(archive, wanted(2)) == first
    assert start_prediction(archive, wanted(3, model="model-2")).lineage_id == "prediction-3"
    assert [each.lineage_id for each in predictions_of_study(archive, StudyUid(STUDY))] == [
        "prediction-1",
        "prediction-3",
    ]


def test_what_was_published_reads_back(archive: Archive) -> None:
    done = published(archive, destinations=[PACS])
    (found,) = predictions_of_study(archive, StudyUid(STUDY))
    assert found.state == "published"
    assert (found.finding, found.picture_digest) == (FINDING, done.picture_digest)
    assert found.finished_at is not None
    objects = published_objects(archive)
    assert {(each.kind, each.lineage_id) for each in objects} == {
        ("SEG", "result-1"),
        ("SEG", "result-2"),
    }
    assert {each.source for each in objects} == {"model:nodule@1"}
    assert {each.deliveries for each in objects} == {(f"waiting {PACS}",)}
    assert lineage_of_instance(archive, InstanceUid(f"{ROOT}.9.1")) == "result-1"


def test_our_results_are_no_news_of_the_study(archive: Archive) -> None:
    before = study(archive, StudyUid(STUDY)).revision
    published(archive, destinations=[])
    whole = study(archive, StudyUid(STUDY))
    assert whole.revision == before
    assert {each.uid for each in whole.instances if each.lineage_id} == {
        f"{ROOT}.9.1",
        f"{ROOT}.9.2",
    }
    assert [each.uid for each in series_of_study(archive, StudyUid(STUDY))] == [SERIES]


def test_a_repeat_publishes_nothing_more(archive: Archive) -> None:
    for _ in range(3):
        published(archive, destinations=[PACS])
    assert len(published_objects(archive)) == 2
    assert len(due_deliveries(archive)) == 2


def test_nothing_is_published_when_one_object_is_broken(archive: Archive) -> None:
    prediction = start_prediction(archive, wanted())
    broken = OutgoingResult(content=b"junk", lineage_id=LineageId("result-3"))
    with pytest.raises(NotDicom):
        publish(archive, prediction, [result(1), broken], destinations=[PACS])
    assert published_objects(archive) == []
    assert due_deliveries(archive) == []
    assert predictions_of_study(archive, StudyUid(STUDY))[0].state == "started"


def test_a_delivery_is_tried_again_when_it_is_due(archive: Archive) -> None:
    published(archive, destinations=[PACS])
    first, second = due_deliveries(archive)
    record_delivered(archive, first)
    record_attempt(archive, second, problem="cannot be reached", wait_s=60.0)
    assert due_deliveries(archive) == []
    record_attempt(archive, second, problem="cannot be reached", wait_s=0.0)
    (again,) = due_deliveries(archive)
    assert (again.instance_uid, again.digest) == (second.instance_uid, second.digest)
    record_attempt(archive, again, problem="cannot be reached", wait_s=None)
    assert due_deliveries(archive) == []
    assert sorted(each.deliveries[0].split()[0] for each in published_objects(archive)) == [
        "delivered",
        "failed",
    ]


def test_a_failed_prediction_says_why_and_is_never_taken_back(archive: Archive) -> None:
    def fail(problem: str) -> None:
        series, model = SeriesUid(SERIES), LineageId("model-1")
        fail_predictions(archive, series_uid=series, model_id=model, problem=problem)

    start_prediction(archive, wanted())
    fail("out of memory")
    (found,) = predictions_of_study(archive, StudyUid(STUDY))
    assert (found.state, found.problem) == ("failed", "out of memory")
    published(archive, destinations=[])
    fail("too late")
    (found,) = predictions_of_study(archive, StudyUid(STUDY))
    assert (found.state, found.problem) == ("published", "")


def test_the_instance_of_the_patient_is_none_of_ours(archive: Archive) -> None:
    assert lineage_of_instance(archive, InstanceUid(uid(1))) is None
