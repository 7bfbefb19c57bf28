"""Importing real folders, media and archives, and hostile ones."""

import csv
import gzip
import io
import re
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.studies import study
from sightline.errors import BadFile, BadSettings
from sightline.formats.dicom_elements import dataset_offset
from sightline.intake.dimse import Listener
from sightline.intake.files import ImportReport, import_path, written_report
from sightline.intake.unpacking import find_files, size_on_disk
from sightline.peers.dimse import Destination, send
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from tests.counterparties import HOST
from tests.instances import SERIES, STUDY, part10_of, slice_of, uid, write_series

MIB = 1024**2


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Give a folder beside the archive's own."""
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def instances(count: int) -> dict[str, bytes]:
    return {f"IM{number}": part10_of(slice_of(number)) for number in range(1, count + 1)}


def counts(report: ImportReport) -> tuple[int, int, int, int, int]:
    return (
        report.new,
        report.duplicates,
        report.conflicts,
        report.skipped,
        len(report.refused),
    )


def test_a_folder_with_junk(archive: Archive, inbox: Path) -> None:
    folder = inbox / "cd"
    write_series(folder / "DICOM" / "ST0", 3)
    (folder / "autorun.inf").write_text("[autorun]")
    (folder / "empty").touch()
    report = import_path(archive, folder)
    assert counts(report) == (3, 0, 0, 2, 0)
    assert report.studies == {STUDY}
    assert report.is_clean
    assert {each.uid for each in study(archive, StudyUid(STUDY)).instances} == {
        uid(number) for number in (1, 2, 3)
    }


def test_a_single_file_and_again(archive: Archive, inbox: Path) -> None:
    (path,) = write_series(inbox, 1)
    assert counts(import_path(archive, path)) == (1, 0, 0, 0, 0)
    assert counts(import_path(archive, path)) == (0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "pack",
    [
        lambda folder: zipped(folder / "a.zip", instances(3)),
        lambda folder: zipped(folder / "a.zip", instances(3), zipfile.ZIP_STORED),
        lambda folder: tarred(folder / "a.tar", instances(3)),
        lambda folder: tarred(folder / "a.tar.gz", instances(3)),
    ],
    ids=["zip", "stored zip", "tar", "tar.gz"],
)
@pytest.mark.parametrize("within_folder", [False, True])
def test_an_archive(
    archive: Archive, inbox: Path, pack: Callable[[Path], Path], within_folder: bool
) -> None:
    path = pack(inbox)
    report = import_path(archive, inbox if within_folder else path)
    assert counts(report) == (3, 0, 0, 0, 0)


def test_what_came_by_dicom_is_no_conflict_when_imported(
    archive: Archive, listener: Listener, inbox: Path
) -> None:
    files = write_series(inbox / "series", 2)
    destination = Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)
    send(destination, files, calling_ae="TEST")
    assert counts(import_path(archive, inbox / "series")) == (0, 2, 0, 0, 0)
    send(destination, files, calling_ae="TEST")
    assert holdings(archive) == []
    assert len(list(archive.objects.digests())) == 2


def test_other_content_and_another_patient_wait_in_quarantine(
    archive: Archive, inbox: Path
) -> None:
    zipped(
        inbox / "a.zip",
        {
            "first": part10_of(slice_of(1)),
            "other": part10_of(slice_of(1, RescaleIntercept=0)),
            "stranger": part10_of(slice_of(2, PatientID="PHANTOM-2")),
        },
    )
    report = import_path(archive, inbox)
    assert counts(report) == (1, 0, 2, 0, 0)
    assert not report.is_clean
    assert {held.reason for held in holdings(archive)} == {
        "other_content_same_uid",
        "study_of_another_patient",
    }


def test_real_media_with_a_directory(archive: Archive, test_data: Path) -> None:
    medium = test_data / "dicom/pydicom/test_files/dicomdirtests/TINY_ALPHA"
    report = import_path(archive, medium)
    assert counts(report) == (50, 0, 0, 2, 0)
    assert report.missing == ()
    assert report.is_clean


def medium(folder: Path, listed: list[list[str]]) -> Path:
    """Write a DICOMDIR that lists files."""
    directory = Dataset()
    directory.SOPClassUID = MediaStorageDirectoryStorage
    directory.SOPInstanceUID = f"{SERIES}.77"
    directory.DirectoryRecordSequence = []
    for name in listed:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = name
        directory.DirectoryRecordSequence.append(record)
    folder.mkdir(exist_ok=True)
    (folder / "DICOMDIR").write_bytes(part10_of(directory))
    return folder


def test_what_a_medium_lists_and_lacks_is_told(archive: Archive, inbox: Path) -> None:
    folder = medium(inbox / "cd", [["ST0", "0001"], ["ST0", "0002"], ["..", "..", "etc", "passwd"]])
    for path in write_series(folder / "st0", 3):
        path.rename(path.with_suffix(""))
    (folder / "st0" / "0002").unlink()
    report = import_path(archive, inbox)
    assert counts(report) == (2, 0, 0, 1, 0)
    assert [each.name for each in report.missing] == ["cd/ST0/0002", "cd/../../etc/passwd"]
    assert not report.is_clean


def test_a_broken_directory_stops_nothing(archive: Archive, inbox: Path) -> None:
    folder = medium(inbox / "cd", [["ST0", "0001"]])
    content = (folder / "DICOMDIR").read_bytes()
    (folder / "DICOMDIR").write_bytes(content[:-12])
    write_series(folder / "ST0", 1)
    assert counts(import_path(archive, inbox)) == (1, 0, 0, 0, 1)


BARE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@pytest.mark.parametrize("syntax", BARE)
def test_a_dataset_without_its_start_is_taken_as_it_is(
    archive: Archive, inbox: Path, syntax: str
) -> None:
    whole = part10_of(slice_of(1), syntax)
    bare = whole[dataset_offset(whole) :]
    (inbox / "bare").write_bytes(bare)
    assert counts(import_path(archive, inbox)) == (1, 0, 0, 0, 0)
    (digest,) = archive.objects.digests()
    kept = archive.objects.get(digest)
    assert kept[dataset_offset(kept) :] == bare
    # The same from elsewhere, with its start, is the same.
    (inbox / "bare").write_bytes(whole)
    assert counts(import_path(archive, inbox)) == (0, 1, 0, 0, 0)


def test_a_file_meta_group_without_preamble_is_taken(archive: Archive, inbox: Path) -> None:
    (inbox / "a").write_bytes(part10_of(slice_of(1))[132:])
    assert counts(import_path(archive, inbox)) == (1, 0, 0, 0, 0)


def test_compressed_pixels_without_a_start_are_refused(archive: Archive, inbox: Path) -> None:
    dataset = slice_of(1)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(RLELossless, generate_instance_uid=False)
    whole = part10_of(dataset, RLELossless)
    (inbox / "a").write_bytes(whole[dataset_offset(whole) :])
    (refused,) = import_path(archive, inbox).refused
    assert "without its start" in refused.reason
    assert "dcmconv" in refused.hint


def test_archives_within_archives(archive: Archive, inbox: Path) -> None:
    zipped(inbox / "inner.zip", instances(2))
    tarred(inbox / "inner.tar.gz", {"c": part10_of(slice_of(3))})
    parts = {path.name: path.read_bytes() for path in sorted(inbox.iterdir())}
    for name in parts:
        (inbox / name).unlink()
    outer = zipped(inbox / "outer.zip", parts | {"d": part10_of(slice_of(4))})
    assert counts(import_path(archive, outer)) == (4, 0, 0, 0, 0)
    third = zipped(inbox / "third.zip", {"outer.zip": outer.read_bytes()})
    report = import_path(archive, third)
    assert [each.name for each in report.refused] == ["third.zip/outer.zip"]
    assert "three deep" in report.refused[0].reason


def test_a_packed_instance(archive: Archive, inbox: Path) -> None:
    (inbox / "a.dcm.gz").write_bytes(gzip.compress(part10_of(slice_of(1))))
    assert counts(import_path(archive, inbox)) == (1, 0, 0, 0, 0)


def test_the_report_has_a_line_a_file(archive: Archive, inbox: Path, tmp_path: Path) -> None:
    write_series(inbox / "ct", 2)
    (inbox / "cut,\n.dcm").write_bytes(part10_of(slice_of(3))[:400])
    (inbox / "notes.txt").write_text("x")
    with written_report(tmp_path / "report.csv") as write:
        import_path(archive, inbox, on_file=write)
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["outcome"] for row in rows] == ["new", "new", "refused", "skipped"]
    assert rows[0]["instance_uid"] == uid(1)
    assert rows[2]["reason"]
    assert rows[2]["hint"]


def test_broken_files_are_named_and_stop_nothing(archive: Archive, inbox: Path) -> None:
    content = part10_of(slice_of(1))
    good = part10_of(slice_of(2))
    zipped(inbox / "a.zip", {"cut.dcm": content[:-10], "good.dcm": good})
    (inbox / "b.dcm").write_bytes(content[:200])
    report = import_path(archive, inbox)
    assert counts(report) == (1, 0, 0, 0, 2)
    assert {each.name for each in report.refused} == {"a.zip/cut.dcm", "b.dcm"}
    assert all(each.reason for each in report.refused)


def test_nothing_there_is_an_error(archive: Archive, inbox: Path) -> None:
    with pytest.raises(BadFile, match="there is nothing"):
        import_path(archive, inbox / "missing")
    assert not import_path(archive, inbox).is_clean


def test_an_archive_that_cannot_be_written_stops_the_import(
    archive: Archive, settings: Settings, inbox: Path
) -> None:
    write_series(inbox / "series", 2)
    folder = settings.archive_dir / "objects"
    folder.rename(inbox / "away")
    folder.touch()
    with pytest.raises(BadSettings, match="cannot be written"):
        import_path(archive, inbox / "series")


def test_progress_adds_up_to_what_lies_on_disk(archive: Archive, inbox: Path) -> None:
    write_series(inbox / "series", 3)
    (inbox / "series" / "junk").write_bytes(bytes(1000))
    zipped(inbox / "series" / "a.zip", instances(2))
    gone: list[int] = []
    import_path(archive, inbox / "series", gone.append)
    total = size_on_disk(inbox / "series")
    assert 0.5 * total < sum(gone) <= total


def test_names_lead_nowhere_and_print_safely(archive: Archive, inbox: Path) -> None:
    names = ["../../escape", "/etc/absolute", "a\x1b[31m\nb", "C:\\evil", "x" * 5000]
    members = {name: part10_of(slice_of(n)) for n, name in enumerate(names, start=1)}
    zipped(inbox / "a.zip", members)
    tarred(inbox / "a.tar", {**members, "../../broken\x07": b"\0" * 128 + b"DICM"})
    names_before = {path for path in inbox.parent.rglob("*") if path.suffix != ".db-wal"}
    report = import_path(archive, inbox)
    assert counts(report)[:2] == (5, 5)
    for path in set(inbox.parent.rglob("*")) - names_before:
        assert re.fullmatch(r"[0-9a-f]{64}", path.name) or path.name.startswith("catalog.db")
    assert all(each.name.isprintable() for each in report.refused)


def bomb_head() -> bytes:
    return bytes(128) + b"DICM"


def zip_bomb(folder: Path) -> Path:
    with (
        zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bomb.dcm", "w", force_zip64=True) as member,
    ):
        member.write(bomb_head())
        for _ in range(400):
            member.write(bytes(MIB))
    return folder / "bomb.zip"


def lying_zip(folder: Path) -> Path:
    path = zip_bomb(folder)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, at + 24, 1000)  # the size it claims to unpack to
    path.write_bytes(content)
    return path


def overlapping_zip(folder: Path) -> Path:
    """Many names for the same packed bytes."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = bomb_head() + bytes(20 * MIB)
    data = packed.compress(body) + packed.flush()
    fields = (20, 0, 8, 0, 0, zlib.crc32(body), len(data), len(body), 1)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields, 0) + b"a" + data
    central = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, 0, 0) + b"a"
        for _ in range(2000)
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2000, 2000, len(central), len(local), 0)
    (folder / "overlap.zip").write_bytes(local + central + end)
    return folder / "overlap.zip"


def zip_of_another_method(folder: Path) -> Path:
    return zipped(folder / "l.zip", {"a": bomb_head() + bytes(50 * MIB)}, zipfile.ZIP_LZMA)


def tar_bomb(folder: Path) -> Path:
    member = tarfile.TarInfo("junk")
    member.size = 400 * MIB
    with tarfile.open(folder / "bomb.tar.gz", "w:gz") as archive:
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return folder / "bomb.tar.gz"


def tar_of_a_huge_header(folder: Path) -> Path:
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, 1 << 33
    with gzip.open(folder / "pax.tar.gz", "wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(200 * MIB))
    return folder / "pax.tar.gz"


def sparse_tar(folder: Path) -> Path:
    """A GNU sparse member of a few bytes that claims a terabyte."""
    header = bytearray(tarfile.TarInfo("sparse.dcm").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[124:136] = b"00000001000\0"
    header[386:410] = b"00000000000\0" + b"00000001000\0"
    header[483:495] = b"10000000000\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    body = (bomb_head() + bytes(512))[:512]
    (folder / "sparse.tar").write_bytes(bytes(header) + body + bytes(1024))
    return folder / "sparse.tar"


@pytest.mark.parametrize(
    "bomb",
    [
        zip_bomb,
        lying_zip,
        overlapping_zip,
        zip_of_another_method,
        tar_bomb,
        tar_of_a_huge_header,
        sparse_tar,
    ],
)
def test_bombs_are_refused_without_filling_memory(
    archive: Archive, inbox: Path, bomb: Callable[[Path], Path]
) -> None:
    path = bomb(inbox)
    tracemalloc.start()
    report = import_path(archive, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(report.refused) == 1
    assert counts(report)[:3] == (0, 0, 0)
    assert peak < 64 * MIB


def test_an_encrypted_member_is_refused(archive: Archive, inbox: Path) -> None:
    path = zipped(inbox / "a.zip", instances(1))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    report = import_path(archive, path)
    assert counts(report) == (0, 0, 0, 0, 1)


def test_a_large_mask_of_few_voxels_is_no_bomb(archive: Archive, inbox: Path) -> None:
    dataset = slice_of(1, size=4)
    dataset.Rows = dataset.Columns = 8192
    pixels = bytearray(8192 * 8192 * 2)
    pixels[::4000] = b"\x01" * len(pixels[::4000])
    dataset.PixelData = bytes(pixels)
    path = zipped(inbox / "a.zip", {"mask": part10_of(dataset)})
    assert path.stat().st_size * 200 < len(pixels)
    assert counts(import_path(archive, path)) == (1, 0, 0, 0, 0)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.sampled_from(["zip", "tar", "tar.gz"]), st.integers(0, 2000), st.binary(max_size=8))
def test_a_damaged_archive_ends_in_files_and_reasons(
    inbox: Path, kind: str, position: int, damage: bytes
) -> None:
    path = inbox / f"a.{kind}"
    (zipped if kind == "zip" else tarred)(path, instances(2))
    content = bytearray(path.read_bytes())
    content[position : position + len(damage)] = damage
    path.write_bytes(content)
    originals = {b"", *instances(2).values()}
    for found in find_files(path):
        assert found.name.startswith(path.name)
        assert not (found.refused and found.content)
        if kind != "tar":  # which has no checksum over its members
            assert found.content in originals
