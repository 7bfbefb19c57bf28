"""A folder through the door: whole files under names of the hub, and nothing of the source."""

import errno
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pydicom
import pytest

from sightline.deid.certificates import CERTIFICATE_FILE
from sightline.deid.folder import deidentify_folder
from sightline.deid.profile import Profile, load_profile
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.formats.dicom_file import read_header
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.store.durable import sync_paths
from tests.deid.studies import volume
from tests.instances import part10_of, slice_of


def source(folder: Path) -> Path:
    for seed, number in ((1, 0), (1, 1), (2, 0)):
        name = f"HOSPITAL-{seed}-{number}"
        write_series(volume(), folder / name, visit=visit(seed, number=number))
    copy = folder / "HOSPITAL-1-0" / "copy.dcm"
    first = min((folder / "HOSPITAL-1-0").iterdir())
    copy.write_bytes(first.read_bytes())
    held = slice_of(1, BurnedInAnnotation="YES", PatientID="X1")
    (folder / "held.dcm").write_bytes(part10_of(held))
    (folder / "notes.txt").write_text("Amberbrook Odalind came on Monday")
    return folder


def test_studies_land_under_names_of_the_hub(tmp_path: Path, vault: Vault) -> None:
    given, out = source(tmp_path / "in"), tmp_path / "out"
    told: list[tuple[int, int]] = []
    passage = deidentify_folder(given, out, vault, tell=lambda *each: told.append(each))
    assert len(passage.studies) == 3
    assert passage.instances == 15
    assert [each.reason for each in passage.held] == ["burned_in_text_declared"]
    assert [path.name for path in passage.not_dicom] == ["notes.txt"]
    assert told[-1] == (18, 18)
    assert len({folder.parent.name for folder in passage.studies}) == 2
    for folder in passage.studies:
        certificate = json.loads((folder / CERTIFICATE_FILE).read_text())
        files = sorted(folder.rglob("*.dcm"))
        assert len(files) == len(certificate["outputs"]) == 5
        for path in files:
            header = read_header(path.read_bytes())
            assert path == folder / header.series_uid / f"{header.instance_uid}.dcm"
            assert header.patient.patient_id == certificate["subject_id"] == folder.parent.name
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert certificate["outputs"][header.instance_uid] == digest
    left = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    names = " ".join(str(path.relative_to(out)) for path in out.rglob("*"))
    for seed in (1, 2):
        for identity in (visit(seed).patient.patient_id, visit(seed).patient.name.split("^")[0]):
            assert identity.encode() not in left
            assert identity not in names
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_repeat_writes_the_same_files(tmp_path: Path, vault: Vault) -> None:
    given = source(tmp_path / "in")
    for out in ("first", "second", "second"):
        deidentify_folder(given, tmp_path / out, vault)
    first, second = (
        {path.relative_to(tmp_path / out): path.read_bytes() for path in files}
        for out in ("first", "second")
        for files in [sorted((tmp_path / out).rglob("*.dcm"))]
    )
    assert first == second


def site_profile(folder: Path, text: str) -> Profile:
    path = folder / "site.yaml"
    path.write_text(f"name: site\npurpose: a trial\n{text}\n")
    load_profile.cache_clear()
    return load_profile(str(path))


def test_a_changed_profile_does_all_again(tmp_path: Path, vault: Vault) -> None:
    given, out = source(tmp_path / "in"), tmp_path / "out"
    first = site_profile(tmp_path, "options: [retain modified dates]")
    assert deidentify_folder(given, out, vault, profile=first).there_before == 0
    assert deidentify_folder(given, out, vault, profile=first).there_before == 3
    # The same options, and one attribute less.
    second = site_profile(tmp_path, "options: [retain modified dates]\nremove: [StudyDate]")
    assert deidentify_folder(given, out, vault, profile=second).there_before == 0
    for folder in out.glob("S-*/*"):
        certificate = json.loads((folder / CERTIFICATE_FILE).read_text())
        assert certificate["profile"] == f"site sha256:{second.digest[:16]}"
        assert all(
            "StudyDate" not in pydicom.dcmread(path) or not pydicom.dcmread(path).StudyDate
            for path in folder.rglob("*.dcm")
        )


def test_where_uids_are_kept_all_names_are_the_given_ones(tmp_path: Path, vault: Vault) -> None:
    given, out = source(tmp_path / "in"), tmp_path / "out"
    profile = site_profile(tmp_path, "options: [retain uids]")
    passage = deidentify_folder(given, out, vault, profile=profile)
    paths = [path for path in given.rglob("*.dcm") if path.name != "held.dcm"]
    headers = [read_header(path.read_bytes()) for path in paths]
    assert {folder.name for folder in passage.studies} == {each.study_uid for each in headers}
    left = [read_header(path.read_bytes()) for path in out.rglob("*.dcm")]
    assert {each.instance_uid for each in left} == {each.instance_uid for each in headers}
    assert all(each.patient.patient_id.startswith("S-") for each in left)
    assert deidentify_folder(given, out, vault, profile=profile).there_before == 3


def test_one_file_is_a_folder_of_one(tmp_path: Path, vault: Vault) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(part10_of(slice_of(1)))
    passage = deidentify_folder(path, tmp_path / "out", vault)
    assert passage.instances == 1


def test_source_and_target_never_mix(tmp_path: Path, vault: Vault) -> None:
    given = source(tmp_path / "in")
    for out in (given, given / "out"):
        with pytest.raises(Refused, match="within"):
            deidentify_folder(given, out, vault)
    with pytest.raises(Refused, match="no "):
        deidentify_folder(tmp_path / "nowhere", tmp_path / "out", vault)


def test_a_result_without_an_issuer_is_of_the_patient_of_its_study(
    tmp_path: Path, vault: Vault
) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    given.mkdir()
    kinds = {"1": "HOSPITAL", "2": "", "3": "CLINIC", "4": ""}
    for number, issuer in kinds.items():
        # Whose patient the fourth is, nobody can tell: two issuers have one with this id.
        study = "1.2.826.0.1.3680043.10.1234." + ("8" if number == "2" else "9")
        names = {"IssuerOfPatientID": issuer, "StudyInstanceUID": study}
        (given / number).write_bytes(part10_of(slice_of(int(number), **names)))
    assert len(deidentify_folder(given, out / "apart", vault).studies) == 4
    names = {"IssuerOfPatientID": "HOSPITAL", "StudyInstanceUID": study.replace(".9", ".8")}
    (given / "5").write_bytes(part10_of(slice_of(5, **names)))
    passage = deidentify_folder(given, out / "joined", vault)
    assert passage.instances == 5
    assert len(passage.studies) == 4
    sizes = sorted(len(list(folder.rglob("*.dcm"))) for folder in passage.studies)
    assert sizes == [1, 1, 1, 2]


@pytest.mark.parametrize(("failing", "landed"), [(1, 0), (2, 0), (3, 1), (6, 2)])
def test_a_study_whose_files_are_not_durable_does_not_land(
    tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch, failing: int, landed: int
) -> None:
    given, out = source(tmp_path / "in"), tmp_path / "out"
    (given / "held.dcm").unlink()
    called = 0

    def fail_once(paths: Iterable[Path]) -> None:
        nonlocal called
        called += 1
        if called == failing:
            raise OSError(errno.EIO, "Input/output error")
        sync_paths(paths)

    # Each of the three studies is written in two portions.
    monkeypatch.setattr("sightline.deid.folder.sync_paths", fail_once)
    with pytest.raises(Refused, match="the batch stopped: Input/output error"):
        deidentify_folder(given, out, vault)
    assert len(list(out.rglob(CERTIFICATE_FILE))) == landed
    again = deidentify_folder(given, out, vault)
    assert (again.there_before, again.instances) == (landed, 15)
