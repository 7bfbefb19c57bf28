"""Results are sent until the destination has them, and a destination that is down is waited for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.outbox import due_deliveries
from sightline.archive.receiving import keep
from sightline.archive.results import publish, published_objects, start_prediction
from sightline.catalog.archive_tables import OUTBOX
from sightline.phantoms.campaign import write_chests
from sightline.phantoms.scanner import SITES
from sightline.serve.outbox import deliver_due
from sightline.values.arrival import OutgoingResult, Source
from sightline.values.finding import Finding
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Prediction
from tests.counterparties import Orthanc, free_port


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def put_out(archive: Archive, tmp_path: Path) -> Callable[[str], None]:
    """Publish one object for a destination; what it says does not matter to the outbox."""
    write_chests(
        tmp_path, seeds=[1], scanner=SITES["a"], shape=(2, 16, 16), on_progress=lambda _: None
    )
    image, other = sorted((tmp_path / "dicom").rglob("*.dcm"))
    arrival = keep(archive, image.read_bytes(), Source(name="test"))

    def _put_out(destination: str) -> None:
        with archive.database.read() as connection:
            series = connection.exec_driver_sql("SELECT uid FROM series").scalars().first()
        prediction = start_prediction(
            archive,
            Prediction(
                lineage_id=LineageId("prediction-1"),
                study_uid=StudyUid(arrival.study_uid),
                series_uid=SeriesUid(series),
                series_digest="0",
                model_id=LineageId("model-1"),
                model_version="m@1",
                created_at="2026-01-02T03:04:05+00:00",
                finding=Finding(priority=0, words="", measurements=()),
            ),
        )
        result = OutgoingResult(content=other.read_bytes(), lineage_id=LineageId("result-1"))
        publish(archive, prediction, [result], destinations=[destination])

    return _put_out


def _row(archive: Archive) -> sa.Row[tuple[object, ...]]:
    with archive.database.read() as connection:
        return connection.execute(sa.select(OUTBOX)).one()


def test_what_is_due_is_sent_once(
    archive: Archive, put_out: Callable[[str], None], orthanc: Orthanc
) -> None:
    put_out(orthanc.destination)
    put_out(orthanc.destination)  # a repeat after a crash
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=3) == 1
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=3) == 0
    assert orthanc.count_instances() == 1
    assert _row(archive).state == "delivered"
    assert len(published_objects(archive)) == 1


def test_a_destination_that_is_down_is_tried_later_and_given_up_in_the_end(
    archive: Archive, put_out: Callable[[str], None]
) -> None:
    put_out(f"NOBODY@127.0.0.1:{free_port()}")
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=2) == 0
    first = _row(archive)
    assert (first.state, first.attempts) == ("waiting", 1)
    assert first.problem
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=2) == 0
    assert _row(archive).attempts == 1  # not due yet

    with archive.database.write() as connection:
        connection.execute(OUTBOX.update().values(next_attempt_at=0.0))
    deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=2)
    assert (_row(archive).state, _row(archive).attempts) == ("failed", 2)


def test_a_pacs_that_takes_stow_is_sent_to_when_it_is_up(
    archive: Archive, put_out: Callable[[str], None], orthanc: Orthanc
) -> None:
    if not Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so").exists():
        pytest.skip("Orthanc's DICOMweb plugin is not installed; see tools/system_packages.sh")
    put_out(f"http://127.0.0.1:{free_port()}/dicom-web")
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=3) == 0
    assert "cannot be reached" in _row(archive).problem
    with archive.database.write() as connection:
        connection.execute(
            OUTBOX.update().values(next_attempt_at=0.0, destination=f"{orthanc.url}/dicom-web")
        )
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=3) == 1
    with archive.database.write() as connection:  # as after a kill before it was recorded
        connection.execute(OUTBOX.update().values(state="waiting"))
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=3) == 1
    assert orthanc.count_instances() == 1


@pytest.mark.parametrize("destination", ["NOBODY@127.0.0.1:1", "http://127.0.0.1:1/dicom-web"])
def test_an_object_that_is_gone_is_a_failed_attempt(
    archive: Archive, put_out: Callable[[str], None], destination: str
) -> None:
    put_out(destination)
    (due,) = due_deliveries(archive)
    assert archive.objects.remove(due.digest, older_than_s=-1)
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=3) == 0
    assert (_row(archive).state, _row(archive).attempts) == ("waiting", 1)
    assert due.digest[:12] in _row(archive).problem
