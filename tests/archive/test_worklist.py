import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import clock
from sightline.archive.archive import Archive
from sightline.archive.associations import open_association
from sightline.archive.completeness import complete_quiet_studies
from sightline.archive.outbox import due_deliveries, record_attempt
from sightline.archive.receiving import keep
from sightline.archive.results import fail_predictions, publish, start_prediction
from sightline.archive.studies import record_door, study
from sightline.archive.worklist import is_picture, overview, worklist
from sightline.errors import UnknownName
from sightline.values.arrival import Holding, OutgoingResult, Source
from sightline.values.finding import Finding
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Prediction
from tests.instances import ROOT, part10_of, slice_of


@pytest.fixture
def archive(tmp_path: Path, catalog_url: str) -> Iterator[Archive]:
    made = Archive.at(tmp_path, catalog_url=catalog_url)
    yield made
    made.close()


def receive(archive: Archive, number: int, *, association: int | None = None) -> StudyUid:
    """Receive a study of two images."""
    for image in (1, 2):
        content = slice_of(
            image,
            PatientName=f"Probe^{number}",
            PatientID=f"P-{number}",
            StudyInstanceUID=f"{ROOT}.{number}",
            SeriesInstanceUID=f"{ROOT}.{number}.1",
            SOPInstanceUID=f"{ROOT}.{number}.1.{image}",
        )
        source = Source(name="test", association=association)
        keep(archive, part10_of(content), source)
    return StudyUid(f"{ROOT}.{number}")


def prediction_of(number: int, *, model: str = "lungs@1", digest: str = "a") -> Prediction:
    return Prediction(
        lineage_id=LineageId(f"prediction-{number}-{model}-{digest}"),
        study_uid=StudyUid(f"{ROOT}.{number}"),
        series_uid=SeriesUid(f"{ROOT}.{number}.1"),
        series_digest=digest,
        model_id=LineageId(f"model-{model}"),
        model_version=model,
        created_at=clock.now().isoformat(),
    )


def predict(archive: Archive, made: Prediction, priority: int, words: str) -> None:
    finding = Finding(priority=priority, words=words, measurements=())
    started = start_prediction(archive, made)
    publish(archive, dataclasses.replace(started, finding=finding), [], destinations=[])


def states(archive: Archive) -> dict[str, str]:
    listed = worklist(archive, since=0.0).entries
    return {entry.study.patient.patient_id: entry.state for entry in listed}


def complete(archive: Archive) -> None:
    complete_quiet_studies(archive, quiet_period_s=0)


def test_a_study_goes_through_its_states(archive: Archive) -> None:
    uid = receive(archive, 1, association=open_association(archive, "CT", "127.0.0.1"))
    complete(archive)
    assert states(archive) == {"P-1": "receiving"}
    receive(archive, 2)
    complete(archive)
    assert states(archive) == {"P-1": "receiving", "P-2": "complete"}
    predict(archive, prediction_of(2), 0, "nothing found")
    failed = start_prediction(archive, prediction_of(2, model="other@1"))
    assert states(archive)["P-2"] == "predicted"
    fail_predictions(
        archive,
        series_uid=failed.series_uid,
        model_id=failed.model_id,
        problem="the series is no volume",
    )
    assert states(archive)["P-2"] == "failed"
    assert overview(archive, uid).completed_at is None


def test_a_study_held_at_the_door_says_so(archive: Archive) -> None:
    uids = [receive(archive, number) for number in (1, 2)]
    complete(archive)
    predict(archive, prediction_of(2), 1, "nodule")
    for uid in uids:
        holding = Holding(study_uid=uid, reason="burned_in_text_likely", detail="Text is likely.")
        whole = study(archive, uid)
        record_door(archive, whole, state=f"held (quarantine: {holding.reason})", held=[holding])
    assert states(archive) == {"P-1": "held", "P-2": "predicted"}
    assert all(entry.is_held for entry in worklist(archive, since=0.0).entries)
    assert [each.reason for each in overview(archive, uids[0]).holdings] == [
        "burned_in_text_likely"
    ]


def test_urgent_comes_first_then_who_waits_longest(archive: Archive) -> None:
    for number in (1, 2, 3, 4, 5):
        receive(archive, number)
    complete(archive)
    predict(archive, prediction_of(2), 0, "nothing found")
    predict(archive, prediction_of(4), 2, "bleeding")
    predict(archive, prediction_of(5), 1, "nodule")
    predict(archive, prediction_of(3), 1, "nodule")
    listed = worklist(archive, since=0.0).entries
    order = [(entry.study.patient.patient_id, entry.priority) for entry in listed]
    assert order == [("P-4", 2), ("P-3", 1), ("P-5", 1), ("P-1", None), ("P-2", 0)]
    assert listed[0].words == ("bleeding",)


def test_the_newest_prediction_of_a_series_and_model_counts(archive: Archive) -> None:
    receive(archive, 1)
    complete(archive)
    predict(archive, prediction_of(1, digest="before"), 2, "bleeding")
    predict(archive, prediction_of(1, digest="after"), 0, "nothing found")
    predict(archive, prediction_of(1, model="bones@3"), 1, "fracture")
    (entry,) = worklist(archive, since=0.0).entries
    assert (entry.priority, entry.words) == (1, ("fracture", "nothing found"))
    assert len(overview(archive, entry.study.uid).predictions) == 3


def test_words_age_and_limit_narrow_the_list(archive: Archive) -> None:
    for number in (1, 2, 3):
        receive(archive, number)
    predict(archive, prediction_of(3), 2, "Large bleeding")
    assert worklist(archive, since=0.0, words="p-2").total == 1
    assert worklist(archive, since=0.0, words="PROBE BLEEDING").total == 1
    assert worklist(archive, since=0.0, words="bleeding p-1").total == 0
    assert worklist(archive, since=clock.timestamp() + 60).total == 0
    short = worklist(archive, since=0.0, limit=2)
    assert (len(short.entries), short.total) == (2, 3)


def test_an_overview_tells_results_and_where_they_went(archive: Archive) -> None:
    uid = receive(archive, 1)
    complete(archive)
    made = start_prediction(archive, prediction_of(1))
    picture = archive.objects.put(b"picture")
    report = slice_of(
        1,
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.9",
        SOPInstanceUID=f"{uid}.9.1",
        Modality="SEG",
        PatientName="Probe^1",
        PatientID="P-1",
    )
    result = OutgoingResult(content=part10_of(report), lineage_id=LineageId("result-1-seg"))
    finished = dataclasses.replace(
        made,
        finding=Finding(priority=1, words="nodule", measurements=()),
        picture_digest=picture,
    )
    publish(archive, finished, [result], destinations=["PACS@127.0.0.1:104"])
    (delivery,) = due_deliveries(archive)
    record_attempt(archive, delivery, problem="nobody listens", wait_s=60)
    shown = overview(archive, uid)
    (published,) = shown.results
    assert (published.kind, published.lineage_id) == ("SEG", "result-1-seg")
    assert [(each.state, each.attempts, each.problem) for each in published.sendings] == [
        ("waiting", 1, "nobody listens")
    ]
    assert (shown.entry.images, shown.entry.modalities) == (2, ("CT",))
    assert shown.entry.study.modalities == ("CT", "SEG")
    assert "quiet" in shown.complete_because
    assert is_picture(archive, picture)
    assert not is_picture(archive, archive.objects.put(b"another object"))
    assert not is_picture(archive, "")


def test_an_unknown_study_is_said_to_be_so(archive: Archive) -> None:
    with pytest.raises(UnknownName):
        overview(archive, StudyUid("1.2.3"))
