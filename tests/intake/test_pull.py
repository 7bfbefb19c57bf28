"""Pulling from real PACSes, and comparing with them: Orthanc and DCMTK's archive."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.completeness import open_revisions, open_study
from sightline.archive.inventory import inventory
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.formats.dicom_elements import dataset_offset
from sightline.intake.comparing import StudyDifference, compare_study, studies_only_here
from sightline.intake.dimse import Listener
from sightline.intake.pull import By, PulledStudy, Puller
from sightline.peers.dimse import Destination, parse_destination, send
from sightline.peers.query import asking
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.counterparties import Orthanc
from tests.instances import ROOT, STUDY, part10_of, slice_of, uid, write_series
from tests.peers.archives import Dcmqrscp, dcmqrscp

__all__ = ["dcmqrscp"]

OURS = "SIGHTLINE"


def dataset_of(content: bytes) -> bytes:
    return content[dataset_offset(content) :]


def without_padding(dataset: bytes) -> bytes:
    """Cut Data Set Trailing Padding (FFFC,FFFC) off."""
    start = dataset.rfind(b"\xfc\xff\xfc\xffOB")
    return dataset if start < 0 else dataset[:start]


def compared(archive: Archive, peer: Destination) -> list[StudyDifference]:
    with asking(peer, calling_ae=OURS) as questions:
        found = questions.studies({"StudyDate": "20240101-"})
        return [compare_study(archive, questions, each) for each in found]


def pulled(
    archive: Archive,
    peer: Destination,
    by: By,
    *,
    on_progress: Callable[[int], None] = lambda _came: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[PulledStudy]:
    puller = Puller(
        archive=archive,
        peer=peer,
        by=by,
        our_ae=OURS,
        on_progress=on_progress,
        is_cancelled=is_cancelled,
    )
    return list(puller.pull(compared(archive, peer)))


@pytest.fixture
def pacs(orthanc: Orthanc, listener: Listener) -> Destination:
    """Give an Orthanc that knows our listener."""
    orthanc.knows("sightline", ae_title=OURS, port=listener.port)
    return parse_destination(orthanc.destination)


@pytest.mark.parametrize("by", ["move", "get"])
@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.gate)])
def test_a_pull_brings_every_byte(
    pacs: Destination, archive: Archive, tmp_path: Path, by: By, count: int
) -> None:
    files = write_series(tmp_path / "series", count, size=64)
    send(pacs, files, calling_ae="TEST")
    seen: list[int] = []
    (done,) = pulled(archive, pacs, by, on_progress=seen.append)
    assert (done.asked, done.came, done.missing, done.problem) == (count, count, (), "")
    assert sum(seen) == count
    kept = study(archive, StudyUid(STUDY)).instances
    assert sorted(dataset_of(archive.objects.get(each.digest)) for each in kept) == sorted(
        dataset_of(path.read_bytes()) for path in files
    )
    (found,) = (open_study(archive, each) for each in open_revisions(archive, settled_s=0))
    assert found.senders == (("ORTHANC", "released"),) or by == "move"
    assert [each.is_equal for each in compared(archive, pacs)] == [True]
    assert pulled(archive, pacs, by) == []


@pytest.mark.parametrize("by", ["move", "get"])
def test_what_is_here_is_not_asked_for_again(
    pacs: Destination, archive: Archive, tmp_path: Path, by: By
) -> None:
    files = write_series(tmp_path / "series", 9, size=4)
    send(pacs, files, calling_ae="TEST")
    other = slice_of(1, size=4, SeriesInstanceUID=f"{ROOT}.2", SOPInstanceUID=f"{ROOT}.2.1")
    (tmp_path / "other.dcm").write_bytes(part10_of(other))
    send(pacs, [tmp_path / "other.dcm"], calling_ae="TEST")
    for path in files[:4]:
        keep(archive, path.read_bytes(), Source(name="test"))
    (difference,) = compared(archive, pacs)
    assert (difference.theirs, difference.here) == (10, 4)
    assert {each.uid for each in difference.missing} == {
        *(uid(number) for number in range(5, 10)),
        f"{ROOT}.2.1",
    }
    seen: list[int] = []
    (done,) = pulled(archive, pacs, by, on_progress=seen.append)
    assert (done.asked, done.came, sum(seen)) == (6, 6, 6)


def test_a_pull_that_is_cut_short_goes_on(
    pacs: Destination, archive: Archive, tmp_path: Path
) -> None:
    send(pacs, write_series(tmp_path / "series", 30, size=64), calling_ae="TEST")
    seen: list[int] = []
    (first,) = pulled(
        archive, pacs, "get", on_progress=seen.append, is_cancelled=lambda: sum(seen) >= 5
    )
    assert 5 <= first.came < 30
    assert len(first.missing) == 30 - first.came
    (second,) = pulled(archive, pacs, "get")
    assert (second.asked, second.came) == (30 - first.came, 30 - first.came)


def test_many_classes_and_syntaxes_come_as_the_pacs_keeps_them(
    orthanc: Orthanc, pacs: Destination, archive: Archive, test_data: Path
) -> None:
    names = (
        *("CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "JPEG-lossy.dcm", "SC_rgb_rle.dcm"),
        *("SC_rgb_jpeg_dcmtk.dcm", "liver_1frame.dcm", "reportsi.dcm", "examples_palette.dcm"),
    )
    folder = test_data / "dicom/pydicom/test_files"
    files = [folder / name for name in names]
    send(pacs, files, calling_ae="TEST")
    with asking(pacs, calling_ae=OURS) as questions:
        found = [compare_study(archive, questions, each) for each in questions.studies({})]
    puller = Puller(archive=archive, peer=pacs, by="get", our_ae=OURS)
    done = list(puller.pull(found))
    assert sum(each.came for each in done) == sum(each.asked for each in done)
    theirs = {uid: orthanc.file(each) for uid, each in orthanc.instances().items()}
    kept = {
        str(each.uid): archive.objects.get(each.digest)
        for one in found
        if one.missing
        for each in study(archive, StudyUid(one.uid)).instances
    }
    assert len(kept) == len(files)
    # What Orthanc sends by leaves the padding at the end out.
    assert {uid: dataset_of(kept[uid]) for uid in kept} == {
        uid: without_padding(dataset_of(theirs[uid])) for uid in kept
    }


def test_another_pacs(dcmqrscp: Dcmqrscp, archive: Archive, tmp_path: Path) -> None:
    files = write_series(tmp_path / "series", 5, size=8)
    send(dcmqrscp.destination, files, calling_ae="TEST")
    (done,) = pulled(archive, dcmqrscp.destination, "get")
    assert (done.asked, done.came) == (5, 5)
    kept = study(archive, StudyUid(STUDY)).instances
    assert {dataset_of(archive.objects.get(each.digest)) for each in kept} == {
        dataset_of(path.read_bytes()) for path in files
    }
    assert [each.is_equal for each in compared(archive, dcmqrscp.destination)] == [True]


def test_a_conflict_waits_in_quarantine_and_is_said(
    pacs: Destination, archive: Archive, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "series", 3, size=4)
    send(pacs, files, calling_ae="TEST")
    stranger = slice_of(9, size=4, PatientID="ANOTHER")
    keep(archive, part10_of(stranger), Source(name="test"))  # the study is another patient's here
    (done,) = pulled(archive, pacs, "get")
    assert (done.asked, done.came) == (3, 3)
    assert inventory(archive, StudyUid(STUDY)).quarantined == {uid(1), uid(2), uid(3)}
    (difference,) = compared(archive, pacs)
    assert difference.series[0].quarantined == (uid(1), uid(2), uid(3))
    assert difference.series[0].only_here == (uid(9),)
    assert pulled(archive, pacs, "get") == []


def test_what_only_we_have_is_found(
    orthanc: Orthanc, pacs: Destination, archive: Archive, tmp_path: Path
) -> None:
    send(pacs, write_series(tmp_path / "series", 3, size=4), calling_ae="TEST")
    pulled(archive, pacs, "get")
    stored = orthanc.instances()
    orthanc.call("DELETE", f"/instances/{stored[uid(2)]}")
    (difference,) = compared(archive, pacs)
    assert difference.series[0].only_here == (uid(2),)
    orthanc.clear()
    (gone,) = studies_only_here(archive, "ORTHANC", since="20240101", theirs=[])
    assert (gone.uid, gone.here, len(gone.series[0].only_here)) == (STUDY, 3, 3)
    assert list(studies_only_here(archive, "ORTHANC", since="20250101", theirs=[])) == []
    assert list(studies_only_here(archive, "OTHER", since="20240101", theirs=[])) == []


def test_a_pacs_that_does_not_know_our_listener_is_told(
    orthanc: Orthanc, archive: Archive, tmp_path: Path
) -> None:
    peer = parse_destination(orthanc.destination)
    send(peer, write_series(tmp_path / "series", 2, size=4), calling_ae="TEST")
    orthanc.knows("sightline", ae_title=OURS, port=1)  # nobody listens there
    (done,) = pulled(archive, peer, "move")
    assert (done.asked, done.came) == (2, 0)
    assert done.problem
    assert set(done.missing) == {uid(1), uid(2)}
