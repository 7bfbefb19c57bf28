"""What is kept, what is a repeat, what is a conflict, and that all of it survives power loss."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.archive.archive import Archive
from sightline.archive.associations import (
    close_association,
    close_lost_associations,
    open_association,
)
from sightline.archive.quarantine import holdings
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.catalog.archive_tables import ASSOCIATION, INSTANCE, PATIENT, SERIES, STUDY
from sightline.errors import NotDicom
from sightline.values.arrival import Source
from sightline.values.identity import Digest, Patient, StudyUid
from tests.instances import ROOT, part10_of, slice_of, uid
from tests.instances import SERIES as SERIES_UID
from tests.instances import STUDY as STUDY_UID

SOURCE = Source(name="test")


@pytest.fixture
def archive(tmp_path: Path, catalog_url: str) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive", catalog_url=catalog_url)
    yield opened
    opened.close()


def rows(archive: Archive, table: sa.Table) -> list[dict[str, object]]:
    with archive.database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]  # noqa: SLF001 - its public way


def test_the_catalog_says_what_the_header_says(archive: Archive) -> None:
    content = part10_of(slice_of(3, PatientName="Probe^Änne", SeriesDescription="LUNG"))
    arrival = keep(archive, content, SOURCE)
    assert (arrival.uid, arrival.study_uid, arrival.outcome) == (uid(3), STUDY_UID, "new")
    (patient,), (series,), (instance,), (of_study,) = (
        rows(archive, table) for table in (PATIENT, SERIES, INSTANCE, STUDY)
    )
    assert (patient["patient_id"], patient["name"]) == ("PHANTOM-1", "Probe^Änne")
    assert (series["uid"], series["modality"]) == (SERIES_UID, "CT")
    assert (series["description"], series["number"]) == ("LUNG", 1)
    assert (instance["number"], instance["rows"], instance["frames"]) == (3, 16, 1)
    assert (instance["size_bytes"], instance["source"]) == (len(content), "test")
    assert (of_study["revision"], of_study["completed_revision"]) == (1, 0)
    assert (of_study["study_date"], of_study["accession_number"]) == ("20240131", "A1")
    assert archive.objects.get(Digest(str(instance["digest"]))) == content


def test_a_study_reads_back(archive: Archive) -> None:
    for number in (2, 1, 3):
        keep(archive, part10_of(slice_of(number)), SOURCE)
    found = study(archive, StudyUid(STUDY_UID))
    assert found.patient == Patient(patient_id="PHANTOM-1", name="Probe^One", sex="O")
    assert found.revision == 3
    assert [each.uid for each in found.instances] == [uid(1), uid(2), uid(3)]
    assert found.instances[1].read() == part10_of(slice_of(2))


def test_what_is_no_dicom_leaves_no_trace(archive: Archive) -> None:
    with pytest.raises(NotDicom):
        keep(archive, b"junk", SOURCE)
    with pytest.raises(NotDicom):
        keep(archive, part10_of(slice_of(1))[:400], SOURCE)
    assert list(archive.objects.digests()) == []
    assert rows(archive, PATIENT) == []


def test_a_repeat_changes_nothing(archive: Archive) -> None:
    content = part10_of(slice_of(1))
    keep(archive, content, SOURCE)
    before = rows(archive, STUDY)
    assert keep(archive, content, Source(name="other")).outcome == "duplicate"
    assert rows(archive, STUDY) == before
    assert len(rows(archive, INSTANCE)) == 1


def test_the_same_dataset_in_another_shell_is_a_repeat(archive: Archive) -> None:
    keep(archive, part10_of(slice_of(1)), SOURCE)
    other = part10_of(slice_of(1), SourceApplicationEntityTitle="EXPORTER")
    assert keep(archive, other, SOURCE).outcome == "duplicate"
    assert holdings(archive) == []
    assert len(list(archive.objects.digests())) == 1


def test_the_same_dataset_written_otherwise_is_a_conflict(archive: Archive) -> None:
    keep(archive, part10_of(slice_of(1)), SOURCE)
    implicit = part10_of(slice_of(1), "1.2.840.10008.1.2")
    assert keep(archive, implicit, SOURCE).outcome == "conflict"


def test_both_contents_of_a_conflict_are_kept(archive: Archive) -> None:
    first, other = part10_of(slice_of(1)), part10_of(slice_of(1, RescaleIntercept=0))
    keep(archive, first, SOURCE)
    for _ in range(2):
        assert keep(archive, other, SOURCE).outcome == "conflict"
    (held,) = holdings(archive)
    assert (held.reason, held.study_uid) == ("other_content_same_uid", STUDY_UID)
    assert archive.objects.get(Digest(held.digest)) == other
    (instance,) = study(archive, StudyUid(STUDY_UID)).instances
    assert archive.objects.get(instance.digest) == first
    assert study(archive, StudyUid(STUDY_UID)).revision == 1


def test_a_study_of_two_patients_is_a_conflict(archive: Archive) -> None:
    keep(archive, part10_of(slice_of(1)), SOURCE)
    stranger = part10_of(slice_of(2, PatientID="PHANTOM-2"))
    assert keep(archive, stranger, SOURCE).outcome == "conflict"
    assert [held.reason for held in holdings(archive)] == ["study_of_another_patient"]
    assert [row["patient_id"] for row in rows(archive, PATIENT)] == ["PHANTOM-1"]


def test_one_patient_id_of_two_issuers_is_two_patients(archive: Archive) -> None:
    for number, issuer in enumerate(("HOSPITAL_A", "HOSPITAL_B")):
        keep(
            archive,
            part10_of(
                slice_of(
                    number,
                    IssuerOfPatientID=issuer,
                    StudyInstanceUID=f"{ROOT}.7.{number}",
                    SeriesInstanceUID=f"{ROOT}.8.{number}",
                )
            ),
            SOURCE,
        )
    assert len(rows(archive, PATIENT)) == 2


def test_a_damaged_object_is_mended_by_sending_it_again(archive: Archive) -> None:
    content = part10_of(slice_of(1))
    keep(archive, content, SOURCE)
    (digest,) = archive.objects.digests()
    archive.objects.blobs.write(digest, content[:-1] + b"?")
    assert keep(archive, content, SOURCE).outcome == "duplicate"
    assert archive.objects.get(digest) == content


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12
    )
)
def test_counts_are_exact_in_any_order(
    tmp_path: Path, arrivals: list[tuple[int, int, int]]
) -> None:
    """Arrivals are (instance, content, patient); the first of a study and of an instance wins."""
    archive = Archive.at(tmp_path / "archive")
    with archive.database.write() as connection:
        for table in (INSTANCE, SERIES, STUDY, PATIENT):
            connection.execute(table.delete())
    first: dict[int, int] = {}
    owner: int | None = None
    for number, content, patient in arrivals:
        made = slice_of(number, size=2, InstanceNumber=content, PatientID=f"P{patient}")
        outcome = keep(archive, part10_of(made), SOURCE).outcome
        key = content * 10 + patient
        if number in first:
            assert outcome == ("duplicate" if first[number] == key else "conflict")
        elif owner in {None, patient}:
            owner, first[number] = patient, key
            assert outcome == "new"
        else:
            assert outcome == "conflict"
    found = study(archive, StudyUid(STUDY_UID))
    archive.close()
    assert {each.uid for each in found.instances} == {uid(number) for number in first}
    assert found.revision == len(first)


def test_associations_are_recorded(archive: Archive) -> None:
    first = open_association(archive, "SCANNER", "10.0.0.1")
    second = open_association(archive, "SCANNER", "10.0.0.1")
    assert first != second
    close_association(archive, first, "released")
    assert close_lost_associations(archive) == 1
    assert close_lost_associations(archive) == 0
    ended = {row["id"]: row["ended"] for row in rows(archive, ASSOCIATION)}
    assert ended == {first: "released", second: "lost"}


def test_object_then_catalog_are_on_disk_before_the_answer(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    (tmp_path / "one.dcm").write_bytes(part10_of(slice_of(1)))
    script = f"""
from pathlib import Path
from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.values.arrival import Source
archive = Archive.at(Path({str(tmp_path / "archive")!r}))
content = Path({str(tmp_path / "one.dcm")!r}).read_bytes()
print("begin", flush=True)
keep(archive, content, Source(name="test"))
print("acknowledged", flush=True)
"""
    done = subprocess.run(
        [
            *(strace, "-f", "-y", "-e", "trace=write,pwrite64,fsync,fdatasync,rename"),
            *(sys.executable, "-c", script),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    during = done.stderr.split('"begin', 1)[1].split('"acknowledged', 1)[0]
    steps = [
        name
        for line in during.splitlines()
        for name, pattern in {
            "object written": r"write\(\d+<[^>]*\.incoming-",
            "object synced": r"fsync\(\d+<[^>]*\.incoming-",
            "object named": r'rename\("[^"]*\.incoming-',
            "name synced": r"fsync\(\d+<[^>]*/objects/[0-9a-f]{2}>",
            "row written": r"pwrite64\(\d+<[^>]*catalog\.db-wal>",
            "row synced": r"f(data)?sync\(\d+<[^>]*catalog\.db-wal>",
        }.items()
        if re.search(pattern, line)
    ]
    assert list(dict.fromkeys(steps)) == [
        "object written",
        "object synced",
        "object named",
        "name synced",
        "row written",
        "row synced",
    ]
    assert steps[-1] == "row synced"


def test_a_race_ends_as_if_one_had_come_after_the_other(archive: Archive) -> None:
    """Twelve threads bring the same studies at the same time, a third with another content."""
    contents = {
        (number, version): part10_of(
            slice_of(
                number,
                size=2,
                StudyInstanceUID=f"{ROOT}.{number // 4}",
                SeriesInstanceUID=f"{ROOT}.{number // 4}.1",
                PatientID=f"P{number // 8}",
                StudyDescription=f"content {version}",
            )
        )
        for number in range(24)
        for version in (0, 1)
    }
    outcomes: list[tuple[int, int, str]] = []
    start = threading.Barrier(12)

    def bring(version: int) -> None:
        start.wait()
        for number in range(24):
            arrival = keep(archive, contents[number, version], SOURCE)
            outcomes.append((number, version, arrival.outcome))

    threads = [threading.Thread(target=bring, args=(each % 3 // 2,)) for each in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 12 * 24
    assert sum(outcome == "new" for *_, outcome in outcomes) == 24
    assert {row["revision"] for row in rows(archive, STUDY)} == {4}
    assert (len(rows(archive, PATIENT)), len(rows(archive, SERIES))) == (3, 6)
    won = {number: version for number, version, outcome in outcomes if outcome == "new"}
    for number, version, outcome in outcomes:
        assert (outcome == "conflict") == (version != won[number])
    assert len(holdings(archive)) == 24
