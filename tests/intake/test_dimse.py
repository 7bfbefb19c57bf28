"""The listener against DCMTK's tools, our own sender and hostile sockets."""

import struct
import threading
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    MPEG4HP41,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)
from sqlalchemy import select

from sightline.archive.archive import Archive
from sightline.archive.associations import open_association
from sightline.archive.completeness import complete_quiet_studies
from sightline.archive.quarantine import holdings
from sightline.archive.studies import study
from sightline.catalog.archive_tables import ASSOCIATION, INSTANCE
from sightline.errors import BadSettings, PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination, send
from sightline.settings import Settings
from sightline.values.identity import Digest, StudyUid
from tests.counterparties import HOST, dcmtk, wait_until
from tests.instances import SERIES, STUDY, part10_of, slice_of, uid, write_series
from tests.intake.raw_dicom import associated, store

# Every transfer syntax of the test data, the file that has it, and how storescu proposes it.
SYNTAXES = {
    "implicit little": ("-xi", "MR_small_implicit.dcm"),
    "explicit little": ("-xe", "CT_small.dcm"),
    "explicit big": ("-xb", "MR_small_bigendian.dcm"),
    "deflated": ("-xd", "image_dfl.dcm"),
    "rle": ("-xr", "SC_rgb_rle.dcm"),
    "jpeg baseline": ("-xy", "SC_rgb_small_odd_jpeg.dcm"),
    "jpeg extended": ("-xx", "JPEG-lossy.dcm"),
    "jpeg lossless": ("-xs", "SC_rgb_jpeg_gdcm.dcm"),
    "jpeg 2000": ("-xw", "JPEG2000.dcm"),
    "jpeg 2000 lossless": ("-xv", "MR_small_jp2klossless.dcm"),
    "jpeg-ls": ("-xt", "MR_small_jpeg_ls_lossless.dcm"),
    "jpeg-ls near": ("-xu", "JPEGLSNearLossless_16.dcm"),
}
# What the test data has not: written around fragments that nobody decodes.
VIDEOS = {
    "mpeg2 main": ("-xm", MPEG2MPML),
    "mpeg4": ("-xn", MPEG4HP41),
}
STORAGE_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.1",  # CR
    "1.2.840.10008.5.1.4.1.1.1.1",  # digital X-ray
    "1.2.840.10008.5.1.4.1.1.1.2",  # mammography
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
    "1.2.840.10008.5.1.4.1.1.4.2",  # MR spectroscopy
    "1.2.840.10008.5.1.4.1.1.3.1",  # ultrasound, multi-frame
    "1.2.840.10008.5.1.4.1.1.6.1",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
    "1.2.840.10008.5.1.4.1.1.12.1",  # angiography
    "1.2.840.10008.5.1.4.1.1.20",  # nuclear medicine
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
    "1.2.840.10008.5.1.4.1.1.88.33",  # comprehensive SR
    "1.2.840.10008.5.1.4.1.1.104.1",  # encapsulated PDF
    "1.2.840.10008.5.1.4.1.1.481.1",  # RT image
    "1.2.840.10008.5.1.4.1.1.481.2",  # RT dose
    "1.2.840.10008.5.1.4.1.1.481.3",  # RT structure set
)


@pytest.fixture(params=[*SYNTAXES, *VIDEOS])
def compressed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """Give storescu's option for a transfer syntax, and a file in it: a real one where we can."""
    if request.param in VIDEOS:
        option, syntax = VIDEOS[request.param]
        dataset = slice_of(1, PixelData=encapsulate([bytes(1000), b"not decoded"]))
        dataset["PixelData"].is_undefined_length = True
        path = tmp_path / "video.dcm"
        path.write_bytes(part10_of(dataset, syntax))
        return option, path
    test_data: Path = request.getfixturevalue("test_data")
    option, name = SYNTAXES[request.param]
    original = test_data / "dicom/pydicom/test_files" / name
    dataset = pydicom.dcmread(original)
    if "StudyInstanceUID" in dataset:
        return option, original
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.save_as(tmp_path / name)
    return option, tmp_path / name


@pytest.fixture
def peer(listener: Listener) -> Destination:
    """Where the listener listens."""
    return Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)


def kept(archive: Archive) -> dict[str, bytes]:
    """Every instance of the archive, checked against its digest."""
    with archive.database.read() as connection:
        rows = connection.execute(select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
    return {row.uid: archive.objects.get(row.digest) for row in rows}


def dataset_of(content: bytes) -> bytes:
    return content[dataset_offset(content) :]


def endings(archive: Archive) -> list[str]:
    """How associations ended; an open one is an empty text."""
    query = select(ASSOCIATION.c.ended).order_by(ASSOCIATION.c.id)
    with archive.database.read() as connection:
        return list(connection.execute(query).scalars())


def raw_store(port: int, dataset: bytes, sop_class: str = CTImageStorage) -> int:
    """Store `dataset`, whatever it is, as the instance 1 of `sop_class`; return the status."""
    with associated(port, sop_class, ExplicitVRLittleEndian) as connection:
        return store(connection, sop_class, uid(1), dataset)


def test_echo(listener: Listener, archive: Archive) -> None:
    assert dcmtk("echoscu", HOST, listener.port).returncode == 0
    assert endings(archive) == []  # who stores nothing keeps no study waiting


def test_every_called_ae_title_is_ours(listener: Listener) -> None:
    assert dcmtk("echoscu", "-aec", "SOMEBODY", HOST, listener.port).returncode == 0


def test_bytes_are_kept_as_they_came(
    listener: Listener,
    archive: Archive,
    storescp: tuple[int, Path],
    compressed: tuple[str, Path],
) -> None:
    option, path = compressed
    other_port, folder = storescp
    for port in (listener.port, other_port):
        done = dcmtk("storescu", "-v", option, HOST, port, path)
        assert done.returncode == 0, done.stderr
    (written,) = folder.iterdir()
    ((instance_uid, content),) = kept(archive).items()
    sent = pydicom.dcmread(path, stop_before_pixels=True)
    assert dataset_of(content) == dataset_of(written.read_bytes())
    assert instance_uid == sent.SOPInstanceUID
    assert pydicom.dcmread(written).file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID


def test_our_own_sender_changes_no_byte(
    peer: Destination, archive: Archive, compressed: tuple[str, Path]
) -> None:
    send(peer, [compressed[1]], calling_ae="TEST")
    (content,) = kept(archive).values()
    assert dataset_of(content) == dataset_of(compressed[1].read_bytes())


def test_the_sender_leaves_no_trace_in_the_object(
    peer: Destination, archive: Archive, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "series", 1)
    send(peer, files, calling_ae="SCANNER_A")
    send(peer, files, calling_ae="SCANNER_B")
    (content,) = kept(archive).values()
    assert b"SCANNER" not in content
    assert holdings(archive) == []


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.5.1.4.1.1.77.1.6",  # whole slide
        "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
        "1.2.840.10008.5.1.4.1.1.104.1",  # encapsulated PDF
        "1.2.840.10008.5.1.4.1.1.9999.1",  # of a future edition
        "1.3.12.2.1107.5.9.1",  # Siemens CSA non-image, private
    ],
)
def test_every_storage_class_is_taken(
    peer: Destination, archive: Archive, tmp_path: Path, sop_class: str
) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(part10_of(slice_of(1, SOPClassUID=sop_class)))
    send(peer, [path], calling_ae="TEST")
    (found,) = study(archive, StudyUid(STUDY)).instances
    assert found.sop_class_uid == sop_class


def test_dcmtk_stores_twenty_classes(listener: Listener, archive: Archive, tmp_path: Path) -> None:
    sent = {}
    for number, sop_class in enumerate(STORAGE_CLASSES, start=1):
        sent[uid(number)] = part10_of(slice_of(number, SOPClassUID=sop_class))
        (tmp_path / f"{number}.dcm").write_bytes(sent[uid(number)])
    done = dcmtk("storescu", "-R", "+sd", HOST, listener.port, tmp_path)
    assert done.returncode == 0, done.stderr
    found = kept(archive)
    assert {name: dataset_of(content) for name, content in found.items()} == {
        name: dataset_of(content) for name, content in sent.items()
    }
    stored = study(archive, StudyUid(STUDY)).instances
    assert {each.sop_class_uid for each in stored} == set(STORAGE_CLASSES)


def test_ten_associations_at_once(listener: Listener, archive: Archive, tmp_path: Path) -> None:
    sent: set[str] = set()
    for sender in range(10):
        series = f"{SERIES}.{sender}"
        for number in range(1, 6):
            dataset = slice_of(
                number, SeriesInstanceUID=series, SOPInstanceUID=f"{series}.{number}"
            )
            folder = tmp_path / str(sender)
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.dcm").write_bytes(part10_of(dataset))
            sent.add(dataset.SOPInstanceUID)
    failed: list[str] = []

    def run(sender: int) -> None:
        done = dcmtk("storescu", "+sd", HOST, listener.port, tmp_path / str(sender))
        if done.returncode:
            failed.append(done.stderr)

    threads = [threading.Thread(target=run, args=(sender,)) for sender in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(kept(archive)) == sent
    wait_until(lambda: endings(archive) == ["released"] * 10)


def test_more_associations_than_allowed_are_rejected_and_room_is_made(
    archive: Archive, settings: Settings
) -> None:
    listener = Listener(archive, settings.model_copy(update={"max_associations": 2}))
    listener.start()
    try:
        with associated(listener.port), associated(listener.port):
            refused = dcmtk("echoscu", HOST, listener.port)
            assert "Local Limit Exceeded" in refused.stderr
        wait_until(lambda: dcmtk("echoscu", HOST, listener.port).returncode == 0)
    finally:
        listener.stop()


def test_an_aborted_association_keeps_what_was_acknowledged(
    listener: Listener, archive: Archive, tmp_path: Path
) -> None:
    write_series(tmp_path / "series", 3)
    dcmtk("storescu", "--abort", "+sd", HOST, listener.port, tmp_path / "series")
    wait_until(lambda: endings(archive) == ["aborted"])
    assert set(kept(archive)) == {uid(1), uid(2), uid(3)}


def test_a_sender_that_vanishes_amid_an_instance_leaves_nothing(
    listener: Listener, peer: Destination, archive: Archive, tmp_path: Path
) -> None:
    first, second = write_series(tmp_path / "series", 2)
    with associated(listener.port, CTImageStorage, ExplicitVRLittleEndian) as connection:
        store(connection, CTImageStorage, uid(1), dataset_of(first.read_bytes()))
        # A P-DATA PDU that claims a command of 994 bytes and brings 10.
        connection.sendall(struct.pack(">BxLLBB", 4, 1000, 996, 1, 3) + bytes(10))
        assert endings(archive) == [""]
    wait_until(lambda: endings(archive) == ["lost"])
    assert set(kept(archive)) == {uid(1)}
    send(peer, [second], calling_ae="TEST")
    assert set(kept(archive)) == {uid(1), uid(2)}


def test_a_study_with_an_open_association_is_not_complete(
    peer: Destination, archive: Archive, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "series", 2)
    was_complete: list[list[StudyUid]] = []

    def look(_sent: int) -> None:
        was_complete.append(complete_quiet_studies(archive, quiet_period_s=0.0))

    send(peer, files, calling_ae="SCANNER", on_progress=look)
    assert was_complete == [[], []]
    wait_until(lambda: endings(archive) == ["released"])
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == [STUDY]


def test_a_repeat_is_no_second_instance(
    peer: Destination, archive: Archive, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "series", 2)
    send(peer, files, calling_ae="TEST")
    assert study(archive, StudyUid(STUDY)).revision == 2
    send(peer, files, calling_ae="TEST")
    assert study(archive, StudyUid(STUDY)).revision == 2
    assert len(kept(archive)) == 2


def test_other_content_under_the_same_uid_waits_in_quarantine(
    peer: Destination, archive: Archive, tmp_path: Path
) -> None:
    first = write_series(tmp_path / "series", 1)
    other = tmp_path / "other.dcm"
    other.write_bytes(part10_of(slice_of(1, RescaleIntercept=0)))
    send(peer, first, calling_ae="TEST")
    send(peer, [other], calling_ae="TEST")
    send(peer, [other], calling_ae="TEST")
    (held,) = holdings(archive)
    assert (held.reason, held.instance_uid) == ("other_content_same_uid", uid(1))
    assert dataset_of(kept(archive)[uid(1)]) == dataset_of(first[0].read_bytes())
    assert dataset_of(archive.objects.get(Digest(held.digest))) == dataset_of(other.read_bytes())


def test_a_dataset_of_another_class_or_instance_is_refused(
    listener: Listener, archive: Archive
) -> None:
    dataset = dataset_of(part10_of(slice_of(1)))
    assert raw_store(listener.port, dataset, sop_class=MRImageStorage) == 0xA900
    assert raw_store(listener.port, dataset_of(part10_of(slice_of(2)))) == 0xA900
    assert kept(archive) == {}
    assert raw_store(listener.port, dataset) == 0x0000
    assert set(kept(archive)) == {uid(1)}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x08\x00\x05\x00CS\xff\x00short",
        b"no dataset at all",
        bytes(1000),
    ],
)
def test_what_cannot_be_understood_is_refused(
    listener: Listener, archive: Archive, broken: bytes
) -> None:
    assert raw_store(listener.port, broken) == 0xC000
    assert kept(archive) == {}
    assert list(archive.objects.digests()) == []


def test_nothing_is_acknowledged_that_could_not_be_stored(
    peer: Destination, archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "series", 1)
    folder = settings.archive_dir / "objects"
    folder.rename(tmp_path / "away")
    folder.touch()  # a file where the folder was: every write below it fails, even root's
    with pytest.raises(PeerFailed, match="0xA700"):
        send(peer, files, calling_ae="TEST")
    assert kept(archive) == {}
    folder.unlink()
    (tmp_path / "away").rename(folder)
    send(peer, files, calling_ae="TEST")
    assert set(kept(archive)) == {uid(1)}


def test_an_instance_larger_than_allowed_ends_the_association(
    archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    listener = Listener(archive, settings.model_copy(update={"max_instance_bytes": 1024**2}))
    listener.start()
    peer = Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)
    try:
        with pytest.raises(PeerFailed, match="ended the association"):
            send(peer, write_series(tmp_path / "large", 1, size=1024), calling_ae="TEST")
        assert kept(archive) == {}
        send(peer, write_series(tmp_path / "small", 1), calling_ae="TEST")
    finally:
        listener.stop()
    assert set(kept(archive)) == {uid(1)}


def test_what_a_dead_listener_left_open_is_closed(archive: Archive, settings: Settings) -> None:
    open_association(archive, "SCANNER", "10.0.0.1")
    listener = Listener(archive, settings)
    listener.start()
    listener.stop()
    assert endings(archive) == ["lost"]


def test_a_port_that_is_taken_is_said_so(
    listener: Listener, archive: Archive, settings: Settings
) -> None:
    second = Listener(archive, settings.model_copy(update={"dimse_port": listener.port}))
    with pytest.raises(BadSettings, match="cannot listen"):
        second.start()
