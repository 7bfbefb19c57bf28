"""What people decide about quarantine: what it changes, what it may not, and its record."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.pixels import needed
from sightline.archive.quarantine import decisions, holdings
from sightline.archive.receiving import keep
from sightline.archive.studies import record_door, study
from sightline.audit.chain import Event
from sightline.catalog.archive_tables import INSTANCE, PATIENT, SERIES, STUDY
from sightline.deid.decisions import delete, release, retry
from sightline.deid.door import Passage
from sightline.deid.hub_door import HubDoor
from sightline.errors import Refused, UnknownName
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import Digest, StudyUid
from tests.instances import STUDY as UID
from tests.instances import part10_of, slice_of, uid

BY = {"actor": "Dr Probe", "reason": "looked at it"}
SOURCE = Source(name="test")
FIRST = part10_of(slice_of(1))
OTHER = part10_of(slice_of(1, RescaleIntercept=0))
STRANGER = part10_of(slice_of(2, PatientID="PHANTOM-2"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    opened = Archive.open(settings)
    yield opened
    opened.close()


def to_door(archive: Archive, settings: Settings) -> Passage:
    found = study(archive, StudyUid(UID))
    passage = HubDoor.open(settings).pass_study(found)
    record_door(archive, found, state="released", held=passage.held)
    return passage


def age_objects(archive: Archive) -> None:
    """Let what was put look as if it had been put long ago."""
    for digest in archive.objects.digests():
        path = archive.objects.blobs.path(digest)
        assert path is not None
        os.utime(path, (0, 0))


def digests(archive: Archive) -> dict[str, str]:
    with archive.database.read() as connection:
        rows = connection.execute(sa.select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
    return {row.uid: row.digest for row in rows}


def test_what_the_door_held_passes_once_released(archive: Archive, settings: Settings) -> None:
    for number in (1, 2):
        keep(archive, part10_of(slice_of(number, BurnedInAnnotation="YES")), SOURCE)
    assert to_door(archive, settings).study is None
    before = study(archive, StudyUid(UID)).revision
    (held,) = [each for each in holdings(archive) if each.instance_uid == uid(1)]
    release(archive, held.id, **BY)
    assert study(archive, StudyUid(UID)).revision == before + 1
    passage = to_door(archive, settings)
    assert passage.study is not None
    assert len(passage.study.instances) == 1
    assert passage.study.certificate.actions["released_by_a_person"] == 1
    assert [each.instance_uid for each in holdings(archive)] == [uid(2)]
    assert [each.id for each in holdings(archive, state="released")] == [held.id]
    with pytest.raises(Refused, match="released already"):
        release(archive, held.id, **BY)


def test_a_release_lifts_one_reason_only(archive: Archive, settings: Settings) -> None:
    image = slice_of(1, BurnedInAnnotation="YES", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    keep(archive, part10_of(image), SOURCE)
    to_door(archive, settings)
    (held,) = holdings(archive)
    assert held.reason == "burned_in_text_declared"
    release(archive, held.id, **BY)
    passed = to_door(archive, settings).study
    assert passed is not None
    # It says that it is a screen, too, so text was looked for all the same.
    assert passed.certificate.actions["pixels_looked_at"] == 1


@pytest.mark.parametrize(
    "image",
    [
        {"PatientID": ""},
        {"SOPClassUID": "1.2.3.4"},
        {"PixelData": bytes(16 * 16 * 2) + b"Doe^Jane"},
    ],
    ids=["no patient ID", "unknown class", "more than the pixels"],
)
def test_what_no_look_can_settle_is_never_released(
    archive: Archive, settings: Settings, image: dict[str, object]
) -> None:
    keep(archive, part10_of(slice_of(1, **image)), SOURCE)
    to_door(archive, settings)
    (held,) = holdings(archive)
    with pytest.raises(Refused, match="cannot be released"):
        release(archive, held.id, **BY)
    assert to_door(archive, settings).study is None
    assert decisions(archive) == []


def test_other_content_takes_the_place_and_the_first_waits(archive: Archive) -> None:
    first = keep(archive, FIRST, SOURCE)
    keep(archive, OTHER, SOURCE)
    (held,) = holdings(archive)
    was = digests(archive)[first.uid]
    release(archive, held.id, **BY)
    assert digests(archive) == {first.uid: held.digest}
    (replaced,) = holdings(archive)
    assert (replaced.reason, replaced.digest) == ("replaced", was)
    release(archive, replaced.id, **BY)
    assert digests(archive) == {first.uid: was}
    assert archive.objects.get(Digest(was)) == FIRST


def test_an_instance_of_another_patient_is_added(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, STRANGER, SOURCE)
    (held,) = holdings(archive)
    release(archive, held.id, **BY)
    found = study(archive, StudyUid(UID))
    assert {each.uid for each in found.instances} == {uid(1), uid(2)}
    assert found.patient.patient_id == "PHANTOM-1"


def test_a_deleted_conflict_takes_its_bytes_with_it(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, OTHER, SOURCE)
    (held,) = holdings(archive)
    age_objects(archive)
    assert delete(archive, held.id, **BY)
    assert len(list(archive.objects.digests())) == 1
    assert holdings(archive) == []
    (deleted,) = holdings(archive, state="deleted")
    assert deleted.digest == held.digest
    with pytest.raises(Refused, match="deleted already"):
        delete(archive, held.id, **BY)


def test_bytes_that_came_just_now_stay_for_a_while(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, OTHER, SOURCE)
    (held,) = holdings(archive)
    assert not delete(archive, held.id, **BY)
    assert holdings(archive) == []
    with archive.database.read() as connection:
        assert needed(connection, [held.digest]) == set()


def test_bytes_that_something_else_needs_stay(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, OTHER, SOURCE)
    (held,) = holdings(archive)
    release(archive, held.id, **BY)
    keep(archive, FIRST, SOURCE)  # a conflict now, and held as replaced besides
    first, second = holdings(archive)
    age_objects(archive)
    assert first.digest == second.digest
    assert not delete(archive, first.id, **BY)
    assert archive.objects.get(Digest(first.digest)) == FIRST
    assert delete(archive, second.id, **BY)


def test_a_part_of_the_archive_is_not_deleted(archive: Archive, settings: Settings) -> None:
    keep(archive, part10_of(slice_of(1, BurnedInAnnotation="YES")), SOURCE)
    to_door(archive, settings)
    (held,) = holdings(archive)
    with pytest.raises(Refused, match="part of a study"):
        delete(archive, held.id, **BY)


def test_what_comes_again_after_deletion_is_held_and_whole(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, OTHER, SOURCE)
    (held,) = holdings(archive)
    age_objects(archive)
    assert delete(archive, held.id, **BY)
    keep(archive, OTHER, SOURCE)
    (again,) = holdings(archive)
    assert again.digest == held.digest
    assert archive.objects.get(Digest(held.digest)) == OTHER


def test_retry_lets_the_door_look_again_and_releases_nothing(
    archive: Archive, settings: Settings
) -> None:
    keep(archive, part10_of(slice_of(1, BurnedInAnnotation="YES")), SOURCE)
    to_door(archive, settings)
    before = study(archive, StudyUid(UID)).revision
    assert retry(archive, StudyUid(UID), **BY) == 1
    assert study(archive, StudyUid(UID)).revision == before + 1
    assert holdings(archive) == []
    assert to_door(archive, settings).study is None
    assert len(holdings(archive)) == 1


def test_what_the_door_lets_pass_later_is_held_no_more(
    archive: Archive, settings: Settings
) -> None:
    keep(archive, part10_of(slice_of(1, BurnedInAnnotation="YES")), SOURCE)
    keep(archive, part10_of(slice_of(2, BurnedInAnnotation="YES")), SOURCE)
    to_door(archive, settings)
    assert len(holdings(archive)) == 2
    found = study(archive, StudyUid(UID))
    record_door(archive, found, state="released", held=holdings(archive)[:1])
    assert len(holdings(archive)) == 1


def test_retry_adds_a_conflict_whose_rival_is_gone(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, part10_of(slice_of(2)), SOURCE)
    keep(archive, OTHER, SOURCE)
    assert retry(archive, StudyUid(UID), **BY) == 0
    with archive.database.write() as connection:
        connection.execute(INSTANCE.delete().where(INSTANCE.c.uid == uid(1)))
    assert retry(archive, StudyUid(UID), **BY) == 1
    assert set(digests(archive)) == {uid(1), uid(2)}


def test_every_decision_has_a_name_and_a_reason_for_ever(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, OTHER, SOURCE)
    (held,) = holdings(archive)
    for actor, reason in (("", "why"), ("Dr Probe", " ")):
        with pytest.raises(Refused, match="a name and a reason"):
            delete(archive, held.id, actor=actor, reason=reason)
    release(archive, held.id, actor="Dr Probe", reason="the second is right")
    (done,) = decisions(archive)
    assert done.event == Event(
        actor="Dr Probe",
        action="quarantine_released",
        objects=(f"instance:{uid(1)}", f"object:{held.digest}"),
        reason="the second is right",
    )


def test_numbers_that_are_not_there(archive: Archive) -> None:
    for decide in (release, delete):
        with pytest.raises(UnknownName, match="number 77"):
            decide(archive, 77, **BY)
    with pytest.raises(Refused, match="holds nothing of study"):
        retry(archive, StudyUid("1.2.3"), **BY)


def test_a_study_that_is_gone_takes_nothing_in(archive: Archive) -> None:
    keep(archive, FIRST, SOURCE)
    keep(archive, STRANGER, SOURCE)
    (held,) = holdings(archive)
    with archive.database.write() as connection:
        for table in (INSTANCE, SERIES, STUDY, PATIENT):
            connection.execute(table.delete())
    with pytest.raises(Refused, match="not here any more"):
        release(archive, held.id, **BY)
    assert [each.id for each in holdings(archive)] == [held.id]
