"""Our sender against Orthanc and DCMTK's receiver."""

import threading
import time
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sightline.errors import NotDicom, PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.peers.dimse import Destination, echo, parse_destination, send
from sightline.peers.sockets import CallingEntity, CallingSocket
from tests.counterparties import HOST, Orthanc, end, free_port, listens, start_dcmtk, wait_until
from tests.instances import part10_of, slice_of, uid, write_series


def at(port: int) -> Destination:
    return Destination(ae_title="PEER", host=HOST, port=port)


def datasets(folder: Path) -> dict[str, bytes]:
    """What a receiver wrote, by SOP Instance UID."""
    found = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        name = str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        found[name] = content[dataset_offset(content) :]
    return found


def test_orthanc_answers_an_echo(orthanc: Orthanc) -> None:
    assert 0 < echo(parse_destination(orthanc.destination), calling_ae="TEST") < 5


def test_orthanc_has_everything_that_was_acknowledged(orthanc: Orthanc, tmp_path: Path) -> None:
    files = write_series(tmp_path / "series", 12)
    seen: list[int] = []
    report = send(
        parse_destination(orthanc.destination), files, calling_ae="TEST", on_progress=seen.append
    )
    assert report.instances == 12
    assert report.size_bytes == sum(path.stat().st_size for path in files)
    assert seen == list(range(1, 13))
    stored = orthanc.instances()
    assert set(stored) == {uid(number) for number in range(1, 13)}
    for number, path in enumerate(files, start=1):
        sent, kept = path.read_bytes(), orthanc.file(stored[uid(number)])
        assert kept[dataset_offset(kept) :] == sent[dataset_offset(sent) :]


def test_a_repeat_is_the_same_object_for_orthanc(orthanc: Orthanc, tmp_path: Path) -> None:
    files = write_series(tmp_path / "series", 2)
    for _ in range(2):
        send(parse_destination(orthanc.destination), files, calling_ae="TEST")
    assert orthanc.count_instances() == 2


def test_every_class_and_syntax_gets_a_context(storescp: tuple[int, Path], test_data: Path) -> None:
    port, folder = storescp
    names = ("CT_small.dcm", "MR_small_bigendian.dcm", "SC_rgb_rle.dcm")
    files = [test_data / "dicom/pydicom/test_files" / name for name in names]
    send(at(port), files, calling_ae="TEST")
    wanted = {path: path.read_bytes() for path in files}
    assert sorted(datasets(folder).values()) == sorted(
        content[dataset_offset(content) :] for content in wanted.values()
    )


def test_more_classes_than_one_association_holds(
    storescp: tuple[int, Path], tmp_path: Path
) -> None:
    port, folder = storescp
    files = []
    for number in range(140):
        dataset = slice_of(number, size=2, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.9999.{number}")
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(part10_of(dataset, ExplicitVRBigEndian))
    report = send(at(port), files, calling_ae="TEST")
    assert report.instances == 140
    assert set(datasets(folder)) == {uid(number) for number in range(140)}


def test_a_peer_of_implicit_little_endian_alone_gets_it(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "received"
    folder.mkdir()
    receiver = start_dcmtk("storescp", "+xi", "+B", "-od", folder, port)
    try:
        wait_until(lambda: listens(port))
        files = write_series(tmp_path / "series", 1)
        send(at(port), files, calling_ae="TEST")
    finally:
        end(receiver)
    (written,) = folder.iterdir()
    received, sent = pydicom.dcmread(written), pydicom.dcmread(files[0])
    assert received.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert received == sent


def test_what_the_peer_takes_no_context_for_is_told(tmp_path: Path) -> None:
    port = free_port()
    receiver = start_dcmtk("storescp", "+xi", "-od", tmp_path, port)
    try:
        wait_until(lambda: listens(port))
        big, fine = tmp_path / "big.dcm", tmp_path / "fine.dcm"
        big.write_bytes(part10_of(slice_of(1), ExplicitVRBigEndian))
        fine.write_bytes(part10_of(slice_of(2), ExplicitVRLittleEndian))
        with pytest.raises(PeerFailed, match=r"took 1 of 2 instances; .*no context") as failure:
            send(at(port), [big, fine], calling_ae="TEST")
    finally:
        end(receiver)
    assert failure.value.hint


def test_a_peer_that_is_not_there(tmp_path: Path) -> None:
    nowhere = at(free_port())
    with pytest.raises(PeerFailed, match="cannot be reached"):
        echo(nowhere, calling_ae="TEST")
    with pytest.raises(PeerFailed, match="cannot be reached"):
        send(nowhere, write_series(tmp_path / "series", 1), calling_ae="TEST")


class LateWaking(threading.Event):
    """Wakes who waits for it so late that a quick peer has answered and gone."""

    def wait(self, timeout: float | None = None) -> bool:
        is_set = super().wait(timeout)
        time.sleep(0.3)
        return is_set


@pytest.mark.parametrize("is_late", [False, True])
def test_a_peer_that_refuses_associations(monkeypatch: pytest.MonkeyPatch, is_late: bool) -> None:
    make = CallingEntity._create_socket  # noqa: SLF001 - where pynetdicom lets us in

    def late(*given: Any) -> CallingSocket:  # noqa: ANN401 - pynetdicom's own
        calling = make(*given)
        calling._ready = LateWaking()  # noqa: SLF001 - what pynetdicom waits for
        return calling

    if is_late:
        monkeypatch.setattr(CallingEntity, "_create_socket", late)
    port = free_port()
    receiver = start_dcmtk("storescp", "--refuse", port)
    try:
        wait_until(lambda: listens(port))
        with pytest.raises(PeerFailed, match="rejected the association"):
            echo(at(port), calling_ae="TEST")
    finally:
        end(receiver)


def test_a_peer_that_goes_away(tmp_path: Path) -> None:
    port = free_port()
    receiver = start_dcmtk("storescp", "--abort-after", "-od", tmp_path, port)
    try:
        wait_until(lambda: listens(port))
        with pytest.raises(PeerFailed, match="ended the association"):
            send(at(port), write_series(tmp_path / "series", 2), calling_ae="TEST")
    finally:
        end(receiver)


def test_nothing_is_sent_when_a_file_is_no_dicom(
    storescp: tuple[int, Path], tmp_path: Path
) -> None:
    port, folder = storescp
    junk = tmp_path / "junk.dcm"
    junk.write_bytes(b"junk")
    with pytest.raises(NotDicom):
        send(at(port), [*write_series(tmp_path / "series", 1), junk], calling_ae="TEST")
    assert list(folder.iterdir()) == []


@given(
    st.text("ABCXYZ_19", min_size=1, max_size=16),
    st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    st.integers(1, 65535),
)
def test_a_destination_is_read_as_it_is_written(ae_title: str, host: str, port: int) -> None:
    destination = Destination(ae_title=ae_title, host=host, port=port)
    assert parse_destination(str(destination)) == destination


def test_an_ipv6_address_stands_in_brackets() -> None:
    destination = parse_destination("PACS@[::1]:104")
    assert destination == Destination(ae_title="PACS", host="::1", port=104)
    assert str(destination) == "PACS@[::1]:104"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pacs:104",
        "PACS@pacs",
        "PACS@pacs:0",
        "PACS@pacs:65536",
        "PACS@pacs:x",
        "@pacs:104",
        "SEVENTEEN_LETTERS@pacs:104",
        "   @pacs:104",
        "PACS@::1:104",
    ],
)
def test_what_names_no_destination(text: str) -> None:
    with pytest.raises(PeerFailed, match="names no destination"):
        parse_destination(text)
