"""A slice that comes late: the study reopens, and what depends on it is made again, not doubled."""

from collections import Counter
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.results import predictions_of_study, published_objects
from sightline.archive.studies import list_studies
from sightline.values.identity import StudyUid
from tests.app.conftest import Sightline
from tests.counterparties import Orthanc

pytestmark = pytest.mark.slow


def test_a_late_slice_is_predicted_again(
    sightline_with_model: Sightline, orthanc: Orthanc, tmp_path: Path
) -> None:
    sightline = sightline_with_model
    sightline.pacs = orthanc.destination
    options = ("--patients", "1", "--first", "60", "--site", "b", "--size", "tiny")
    sightline.run("phantoms", "chest", str(tmp_path / "new"), *options)
    files = sorted(path for path in (tmp_path / "new/dicom").rglob("*") if path.is_file())
    late = tmp_path / "late"
    late.mkdir()
    files[-1].rename(late / files[-1].name)
    sightline.start()
    sightline.run("send", sightline.destination, str(tmp_path / "new/dicom"))
    sightline.run("wait", "--studies", "6")
    first = _objects(sightline)
    assert Counter(first.values()) == Counter(SEG=1, SR=1, OT=1)

    sightline.run("send", sightline.destination, str(late))
    sightline.run("wait", "--studies", "6")
    second = _objects(sightline)
    assert second.keys() > first.keys()
    assert Counter(second.values()) == Counter(SEG=2, SR=2, OT=2)
    _made_of_both_revisions(sightline)
    there = set(orthanc.instances())
    assert there == second.keys()

    # the same once more is no news
    sightline.run("send", sightline.destination, str(late))
    sightline.run("wait", "--studies", "6")
    assert _objects(sightline) == second
    assert set(orthanc.instances()) == there


def _objects(sightline: Sightline) -> dict[str, str]:
    """Return the kind of each object that was published for the new study."""
    archive = Archive.at(sightline.data_dir / "archive")
    newest = list_studies(archive)
    uids = {each.study.uid for each in newest}
    published = {each.instance_uid: each for each in published_objects(archive)}
    archive.close()
    assert all(len(each.deliveries) == 1 for each in published.values())
    assert {each.study_uid for each in published.values()} <= uids
    return {str(uid): each.kind for uid, each in published.items()}


def _made_of_both_revisions(sightline: Sightline) -> None:
    archive = Archive.at(sightline.data_dir / "archive")
    study_uid = StudyUid(published_objects(archive)[0].study_uid)
    predictions = predictions_of_study(archive, study_uid)
    (listed,) = [each for each in list_studies(archive) if each.study.uid == study_uid]
    archive.close()
    assert [each.state for each in predictions] == ["published", "published"]
    assert len({each.series_digest for each in predictions}) == 2
    assert listed.is_complete
    assert listed.complete_because
    assert listed.door.startswith("released")
