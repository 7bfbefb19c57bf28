"""An explanation says of every element what the door really did."""

from pathlib import Path

import pytest

from sightline.deid.explaining import Explained, explain_file
from sightline.deid.profile import load_profile
from sightline.deid.vault import Vault
from sightline.errors import NotDicom
from tests.deid import hostile
from tests.instances import part10_of, slice_of


def by_place(path: Path, vault: Vault, profile: str = "hub") -> dict[str, Explained]:
    explanation = explain_file(path, vault, load_profile(profile))
    assert explanation.held == ""
    return {each.place: each for each in explanation.elements}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    image = slice_of(1)
    image.StudyDate, image.Occupation = "20240229", "KANARI"
    image.add_new(0x00110010, "LO", "KANARI")
    content = part10_of(image)
    (tmp_path / "image.dcm").write_bytes(content)
    return tmp_path / "image.dcm"


def test_each_kind_of_outcome_is_told(path: Path, vault: Vault) -> None:
    told = by_place(path, vault)
    assert told["Rows"].outcome == "kept"
    assert told["PatientID"].outcome == "changed"
    assert told["StudyDate"].outcome == "changed"
    assert "modified dates" in told["StudyDate"].why
    assert told["StudyDate"].before.strip() == b"20240229"
    assert told["Occupation"].outcome == "removed"
    assert "profile hub" in told["Occupation"].why
    assert told["(0011,0010)"].why == "private attribute"
    assert told["PatientIdentityRemoved"].outcome == "added"


def test_a_profile_without_options_says_so(path: Path, vault: Vault) -> None:
    told = by_place(path, vault, "basic")
    assert told["StudyDate"].outcome == "emptied"
    assert "softened" not in told["StudyDate"].why


def test_what_is_in_sequences_is_told(tmp_path: Path, vault: Vault) -> None:
    canaries = hostile.Canaries()
    # What is planted after the last element makes the file a broken one.
    content = hostile.part10(hostile.hostile(hostile.CT, canaries), hostile.EXPLICIT, canaries)
    path = tmp_path / "hostile.dcm"
    path.write_bytes(content[:-16])
    told = by_place(path, vault)
    nested = [each for each in told.values() if each.place.count("[") == 3]
    assert {each.outcome for each in nested} >= {"removed", "changed"}
    # Whatever leaves is free of what was planted; what is told of before is not.
    assert not hostile.survivors(b"".join(each.after for each in told.values()))
    assert hostile.survivors(b"".join(each.before for each in told.values()))
    assert all(each.why for each in told.values())


def test_a_file_that_is_held_says_why(tmp_path: Path, vault: Vault) -> None:
    image = slice_of(1)
    image.PatientID = ""
    path = tmp_path / "image.dcm"
    path.write_bytes(part10_of(image))
    explanation = explain_file(path, vault, load_profile("hub"))
    assert explanation.held.startswith("no_patient_id")
    assert {each.outcome for each in explanation.elements} == {"removed"}


def test_what_is_no_dicom_is_refused(tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(NotDicom):
        explain_file(tmp_path / "text", vault, load_profile("hub"))
