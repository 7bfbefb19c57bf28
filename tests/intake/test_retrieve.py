"""C-MOVE and C-GET from us: by DCMTK's tools, by Orthanc, and by our own client."""

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.errors import PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination
from sightline.peers.retrieve import Received, Wanted, get, move
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.counterparties import (
    HOST,
    Orthanc,
    dcmtk,
    end,
    free_port,
    listens,
    start_dcmtk,
    wait_until,
)
from tests.instances import SERIES, STUDY, part10_of, slice_of, uid, write_series

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def settings(tmp_path: Path, storescp: tuple[int, Path], orthanc: Orthanc) -> Settings:
    peers = {
        "receiver": f"STORESCP@{HOST}:{storescp[0]}",
        "orthanc": orthanc.destination,
        "down": f"DOWN@{HOST}:{free_port()}",
    }
    return Settings.load(data_dir=tmp_path / "data", dimse_port=0, peers=peers)


def fill(archive: Archive, files: list[Path]) -> None:
    for path in files:
        keep(archive, path.read_bytes(), Source(name="test"))


def at(listener: Listener) -> Destination:
    return Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)


def dataset_of(content: bytes) -> bytes:
    return content[dataset_offset(content) :]


def datasets(paths: list[Path]) -> list[bytes]:
    return sorted(dataset_of(path.read_bytes()) for path in paths)


def test_movescu_has_us_send_to_storescp(
    archive: Archive, listener: Listener, storescp: tuple[int, Path], tmp_path: Path
) -> None:
    files = write_series(tmp_path / "in", 7, size=16)
    fill(archive, files)
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}")
    done = dcmtk(
        *("movescu", "-S", "-v", "-aec", "SIGHTLINE", "-aem", "STORESCP", HOST, listener.port),
        *keys,
    )
    said = done.stderr + done.stdout
    assert done.returncode == 0, said
    assert "Success" in said
    assert datasets(list(storescp[1].iterdir())) == datasets(files)


@pytest.mark.parametrize("model", ["-S", "-P"])
def test_getscu_takes_on_its_own_association(
    archive: Archive, listener: Listener, tmp_path: Path, model: str
) -> None:
    files = write_series(tmp_path / "in", 7, size=16)
    fill(archive, files)
    (tmp_path / "out").mkdir()
    keys = ["-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={STUDY}"]
    keys += ["-k", f"SeriesInstanceUID={SERIES}", "-k", "PatientID=PHANTOM-1"]
    done = dcmtk(
        *("getscu", model, "-v", "+B", "-aec", "SIGHTLINE", "-od", tmp_path / "out"),
        *(HOST, listener.port),
        *keys,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert datasets(list((tmp_path / "out").iterdir())) == datasets(files)


def test_orthanc_takes_what_we_move_to_it(
    archive: Archive, listener: Listener, orthanc: Orthanc, test_data: Path
) -> None:
    folder = test_data / "dicom/pydicom/test_files"
    files = [folder / name for name in ("CT_small.dcm", "SC_rgb_rle.dcm", "MR_small_RLE.dcm")]
    fill(archive, files)
    studies = {pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID for path in files}
    wanted = [Wanted(study_uid=each) for each in sorted(studies)]
    done = move(at(listener), wanted, to_ae="ORTHANC", calling_ae="ASKING")
    assert (done.completed, done.failed) == (3, 0)
    stored = [orthanc.file(each) for each in orthanc.instances().values()]
    assert sorted(dataset_of(each) for each in stored) == datasets(files)


def test_we_get_from_ourselves_every_syntax_as_it_is(
    archive: Archive, listener: Listener, test_data: Path
) -> None:
    folder = test_data / "dicom/pydicom/test_files"
    names = ("CT_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm")
    files = [folder / name for name in names]
    fill(archive, files)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    received: list[Received] = []

    def take(each: Received) -> int:
        received.append(each)
        return 0

    wanted = [
        Wanted(study_uid=each) for each in sorted({each.StudyInstanceUID for each in headers})
    ]
    classes = sorted({str(each.SOPClassUID) for each in headers})
    done = get(at(listener), wanted, keep=take, classes=classes, calling_ae="ASKING")
    assert (done.completed, done.failed) == (4, 0)
    assert sorted(each.dataset for each in received) == datasets(files)
    assert {each.transfer_syntax_uid for each in received} == {
        str(each.file_meta.TransferSyntaxUID) for each in headers
    }


def test_getscu_of_little_endian_alone_gets_it_rewritten_or_is_told(
    archive: Archive, listener: Listener, tmp_path: Path
) -> None:
    plain, big = slice_of(1), part10_of(slice_of(2), ExplicitVRBigEndian)
    keep(archive, part10_of(plain), Source(name="test"))
    keep(archive, big, Source(name="test"))
    (tmp_path / "out").mkdir()
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    done = dcmtk(
        *("getscu", "-S", "-v", "+xi", "-aec", "SIGHTLINE", "-od", tmp_path / "out"),
        *(HOST, listener.port),
        *keys,
    )
    (written,) = (tmp_path / "out").iterdir()
    got = pydicom.dcmread(written)
    assert got.SOPInstanceUID == uid(1)
    assert got.PixelData == plain.PixelData
    assert "Warning" in done.stderr + done.stdout or done.returncode


def test_the_right_status_for_each_trouble(
    archive: Archive, listener: Listener, tmp_path: Path
) -> None:
    fill(archive, write_series(tmp_path / "in", 2, size=4))
    ours, whole = at(listener), [Wanted(study_uid=STUDY)]
    with pytest.raises(PeerFailed, match="0xA801: it does not know where"):
        move(ours, whole, to_ae="NOBODY", calling_ae="ASKING")
    down = move(ours, whole, to_ae="DOWN", calling_ae="ASKING")
    assert (down.completed, down.failed) == (0, 2)
    assert set(down.failed_uids) == {uid(1), uid(2)}
    nothing = move(ours, [Wanted(study_uid="1.2.3")], to_ae="ORTHANC", calling_ae="ASKING")
    assert (nothing.completed, nothing.failed) == (0, 0)
    no_level = ("-k", f"StudyInstanceUID={STUDY}")
    done = dcmtk(
        *("movescu", "-S", "-v", "-aec", "SIGHTLINE", "-aem", "ORTHANC", HOST, listener.port),
        *no_level,
    )
    assert "DataSetDoesNotMatchSOPClass" in done.stderr + done.stdout


def test_refused_sub_operations_are_named(
    archive: Archive, listener: Listener, tmp_path: Path
) -> None:
    fill(archive, write_series(tmp_path / "in", 4, size=4))
    refused = {uid(2), uid(3)}
    done = get(
        at(listener),
        [Wanted(study_uid=STUDY)],
        keep=lambda each: 0xA700 if each.instance_uid in refused else 0,
        classes=[CT],
        calling_ae="ASKING",
    )
    assert (done.completed, done.failed, set(done.failed_uids)) == (2, 2, refused)


def test_a_retrieval_is_cancelled(archive: Archive, listener: Listener, tmp_path: Path) -> None:
    fill(archive, write_series(tmp_path / "in", 40, size=4))
    seen: list[int] = []
    done = get(
        at(listener),
        [Wanted(study_uid=STUDY)],
        keep=lambda _each: 0,
        classes=[CT],
        calling_ae="ASKING",
        on_progress=seen.append,
        is_cancelled=lambda: max(seen, default=0) >= 3,
    )
    assert done.was_cancelled
    assert 3 <= done.completed < 40


def test_one_archive_pulls_from_another(
    archive: Archive, listener: Listener, settings: Settings, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "in", 5, size=16)
    fill(archive, files)
    other = Archive.at(tmp_path / "other")
    receiving = Settings.load(data_dir=tmp_path / "x", dimse_port=0, ae_title="OTHER")
    second = Listener(other, receiving)
    second.start()
    try:
        settings.peers["other"] = f"OTHER@{HOST}:{second.port}"
        done = move(at(listener), [Wanted(study_uid=STUDY)], to_ae="OTHER", calling_ae="OTHER")
        assert (done.completed, done.failed) == (5, 0)
        kept = study(other, StudyUid(STUDY)).instances
        assert sorted(dataset_of(other.objects.get(each.digest)) for each in kept) == datasets(
            files
        )
    finally:
        second.stop()
        other.close()


def test_a_receiver_that_goes_away_in_between(
    archive: Archive, listener: Listener, settings: Settings, tmp_path: Path
) -> None:
    fill(archive, write_series(tmp_path / "in", 5, size=4))
    port = free_port()
    receiver = start_dcmtk("storescp", "--abort-after", "-od", tmp_path, port)
    try:
        wait_until(lambda: listens(port))
        settings.peers["leaves"] = f"LEAVES@{HOST}:{port}"
        done = move(at(listener), [Wanted(study_uid=STUDY)], to_ae="LEAVES", calling_ae="ASKING")
        assert done.completed + done.failed == 5
        assert done.failed >= 4
    finally:
        end(receiver)
