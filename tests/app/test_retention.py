"""What the rules let go, what stays and why, and that a crash leaves nothing unexplained."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.app.retention import RULES_FILE, apply, list_due
from sightline.app.verifying import remove_orphans, verify
from sightline.archive.archive import Archive
from sightline.archive.clinical import Letter, take, waiting_records
from sightline.archive.completeness import complete_quiet_studies
from sightline.archive.outbox import MessageTo, put_out_messages, sent_messages
from sightline.archive.receiving import keep
from sightline.archive.results import start_prediction
from sightline.archive.retention import Due, retire
from sightline.archive.shadows import keep_shadow, shadows_of, start_shadow
from sightline.archive.studies import list_studies
from sightline.archive.ties import load_rules
from sightline.audit.chain import entries
from sightline.catalog.archive_tables import INSTANCE, METADATA, STUDY
from sightline.errors import BadSettings
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.clinical import Clinical, ClinicalRecord, Person
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Prediction, ShadowPrediction
from tests.instances import ROOT, part10_of, slice_of

SOURCE = Source(name="test")
DAY_S = 24 * 3600.0
RULES = """
version: 1
rules:
  - name: old radiographs
    older_than_days: 100
    modalities: [CR, DX]
  - name: very old
    older_than_days: 1000
"""


@pytest.fixture
def settings(tmp_path: Path, catalog_url: str) -> Settings:
    made = Settings.load(data_dir=tmp_path / "data", catalog_url=catalog_url)
    made.data_dir.mkdir()
    (made.data_dir / RULES_FILE).write_text(RULES)
    return made


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    opened = Archive.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def hub(settings: Settings) -> Iterator[Hub]:
    opened = Hub.open(settings)
    yield opened
    opened.close()


def study_uid(number: int) -> StudyUid:
    return StudyUid(f"{ROOT}.50.{number}")


def receive(archive: Archive, number: int, *, days: float, modality: str = "CT") -> StudyUid:
    """Keep a study of two instances as if it had come `days` ago."""
    for each in (1, 2):
        made = slice_of(
            1,
            size=256,
            SOPInstanceUID=f"{study_uid(number)}.1.{each}",
            StudyInstanceUID=study_uid(number),
            SeriesInstanceUID=f"{study_uid(number)}.1",
            PatientID=f"P{number}",
            Modality=modality,
            InstanceNumber=each,
        )
        keep(archive, part10_of(made), SOURCE)
    complete_quiet_studies(archive, quiet_period_s=0.0)
    with archive.database.write() as connection:
        connection.execute(
            STUDY.update()
            .where(STUDY.c.uid == study_uid(number))
            .values(last_received_at=STUDY.c.last_received_at - days * DAY_S)
        )
    return study_uid(number)


def prediction_of(number: int) -> Prediction:
    return Prediction(
        lineage_id=LineageId("prediction-1"),
        study_uid=study_uid(number),
        series_uid=SeriesUid(f"{study_uid(number)}.1"),
        series_digest="0" * 64,
        model_id=LineageId("model-1"),
        model_version="m@1",
        created_at="2026-01-01T00:00:00+00:00",
    )


def age_files(archive: Archive) -> None:
    for digest in archive.objects.digests():
        for name in (digest, f"{digest}.split"):
            path = archive.objects.blobs.path(name)
            if path is not None and path.exists():
                os.utime(path, (0, 0))


def flaws_of(settings: Settings, archive: Archive, hub: Hub) -> list[tuple[str, str]]:
    found = verify(settings, archive, hub, on_read=lambda _: None, on_step=lambda _: None)
    return [(flaw.kind, flaw.digest) for flaw in found]


def test_rules_choose_by_age_and_modality_oldest_first(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    receive(archive, 1, days=50, modality="DX")
    receive(archive, 2, days=150, modality="DX")
    receive(archive, 3, days=150, modality="CT")
    receive(archive, 4, days=1500, modality="CT")
    found = list_due(settings, archive, hub)
    assert [(each.study_uid, each.rule, each.kept_because) for each in found] == [
        (study_uid(4), "very old", ""),
        (study_uid(2), "old radiographs", ""),
    ]
    assert [each.instances for each in found] == [2, 2]


def test_without_rules_nothing_goes(settings: Settings, archive: Archive, hub: Hub) -> None:
    (settings.data_dir / RULES_FILE).unlink()
    with pytest.raises(BadSettings, match="no retention rules"):
        list_due(settings, archive, hub)


@pytest.mark.parametrize(
    "text", ["", "version: 2\nrules: []", "version: 1\nrules: [{name: x}]", ": ["]
)
def test_rules_that_cannot_be_read_are_refused(
    settings: Settings, archive: Archive, hub: Hub, text: str
) -> None:
    (settings.data_dir / RULES_FILE).write_text(text)
    with pytest.raises(BadSettings, match="cannot be read"):
        list_due(settings, archive, hub)


def test_what_has_results_or_is_incomplete_stays(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    receive(archive, 1, days=1500)
    said = start_prediction(archive, prediction_of(1))
    with archive.database.write() as connection:
        put_out_messages(connection, said, [MessageTo(kind="hl7", destination="engine:2575")])
    receive(archive, 2, days=1500)
    with archive.database.write() as connection:
        connection.execute(
            STUDY.update().where(STUDY.c.uid == study_uid(2)).values(completed_revision=0)
        )
    reasons = {each.study_uid: each.kept_because for each in list_due(settings, archive, hub)}
    assert reasons == {study_uid(1): "it has results", study_uid(2): "it is not complete"}
    assert apply(settings, archive, list_due(settings, archive, hub), tell=lambda _due: None) == 0
    (settings.data_dir / RULES_FILE).write_text(RULES + "keep:\n  with_results: false\n")
    assert apply(settings, archive, list_due(settings, archive, hub), tell=lambda _due: None) == 1
    assert [each.study.uid for each in list_studies(archive)] == [study_uid(2)]
    assert sent_messages(archive) == []


def test_what_was_said_in_shadow_goes_with_its_study(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    receive(archive, 1, days=1500)
    seg = archive.objects.put(b"a segmentation that nobody was shown")
    said = start_shadow(archive, prediction_of(1))
    keep_shadow(archive, ShadowPrediction(prediction=said, seg_digest=seg))
    age_files(archive)
    assert flaws_of(settings, archive, hub) == []
    assert apply(settings, archive, list_due(settings, archive, hub), tell=lambda _due: None) == 1
    assert shadows_of(archive, LineageId("model-1")) == []
    assert list(archive.objects.digests()) == []
    assert flaws_of(settings, archive, hub) == []


def test_a_report_whose_study_went_waits_in_sight_and_the_log_tells(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    uid = receive(archive, 1, days=1500)
    said = ClinicalRecord(
        kind="report", source_key="1", person=Person(patient_id="P1", issuer=""), study_uid=uid
    )
    letter = Letter(content=b"a report", sender="RIS", control_id="1", kind="test")
    take(archive, letter, lambda: Clinical(records=(said,)), rules=load_rules(settings))
    assert waiting_records(archive) == []
    age_files(archive)
    assert apply(settings, archive, list_due(settings, archive, hub), tell=lambda _due: None) == 1
    (waits,) = waiting_records(archive)
    assert waits.waiting == "its study was let go by the retention rules"
    assert flaws_of(settings, archive, hub) == []  # the message's object is nobody's orphan
    (entry,) = entries(archive.database)
    assert (entry.event.action, entry.event.objects) == ("study_retired", (f"study:{uid}",))


def test_rows_and_bytes_go_and_who_borrowed_pixels_keeps_them(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    receive(archive, 1, days=1500)
    receive(archive, 2, days=1)  # the same pixels, borrowed from study 1
    age_files(archive)
    gone: list[Due] = []
    assert apply(settings, archive, list_due(settings, archive, hub), tell=gone.append) == 1
    assert [each.study_uid for each in gone] == [study_uid(1)]
    assert flaws_of(settings, archive, hub) == []
    assert len(list(archive.objects.digests())) == 2
    with archive.database.read() as connection:
        left = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in METADATA.sorted_tables
        }
    assert (left["patient"], left["study"], left["series"], left["instance"]) == (1, 1, 1, 2)


def test_what_came_back_lately_is_not_removed(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    receive(archive, 1, days=1500)
    (study,) = list_due(settings, archive, hub)
    retire(archive, study)  # its bytes are young: a row for them may be on its way
    assert {kind for kind, _ in flaws_of(settings, archive, hub)} == {"orphan"}
    receive(archive, 1, days=0)
    assert flaws_of(settings, archive, hub) == []


def test_a_crash_between_rows_and_bytes_leaves_orphans_that_verify_removes(
    settings: Settings, archive: Archive, hub: Hub, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        receive(archive, number, days=1500)
    age_files(archive)
    with archive.database.write() as connection:  # as far as the first step came
        connection.execute(INSTANCE.delete().where(INSTANCE.c.study_uid == study_uid(1)))
    assert {kind for kind, _ in flaws_of(settings, archive, hub)} == {"orphan"} or not flaws_of(
        settings, archive, hub
    )
    found = verify(settings, archive, hub, on_read=lambda _: None, on_step=lambda _: None)
    assert all(flaw.mended for flaw in remove_orphans(archive, found))
    assert flaws_of(settings, archive, hub) == []
    assert tmp_path.exists()


def test_a_rule_for_a_full_disk_waits_until_it_is(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    for number in (1, 2):
        receive(archive, number, days=1500)
    rule = "version: 1\nrules: [{name: full, older_than_days: 10, only_below_free_gb: %g}]"
    (settings.data_dir / RULES_FILE).write_text(rule % 0.000001)
    assert apply(settings, archive, list_due(settings, archive, hub), tell=lambda _due: None) == 0
    total_gb = shutil.disk_usage(settings.archive_dir).total / 1e9
    (settings.data_dir / RULES_FILE).write_text(rule % (2 * total_gb))
    assert apply(settings, archive, list_due(settings, archive, hub), tell=lambda _due: None) == 2
