"""Profiles: those of the package, a site's own, and what cannot be one."""

from pathlib import Path

import pytest

from sightline.deid.contract import check_rules
from sightline.deid.keep_list import keep_list
from sightline.deid.profile import load_profile, profile_file, profile_names
from sightline.errors import BadSettings

MODIFIED, CLEAN = "retain modified dates", "clean descriptors, clean structured content"


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_of_the_package_loads(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert len(profile.digest) == 64
    assert keep_list(profile).attributes


def test_free_text_is_a_line_that_a_site_changes_and_certificates_tell(tmp_path: Path) -> None:
    ours = load_profile("hub")
    path = tmp_path / "site.yaml"
    text = profile_file("hub").decode()
    assert text.count("free_text: false\n") == 1
    path.write_text(text.replace("free_text: false", "free_text: true"))
    with_text = load_profile(str(path))
    assert (ours.free_text, with_text.free_text) == (False, True)
    assert ours.label != with_text.label


def test_options_are_named_by_their_codes() -> None:
    codes = [method.value for method in load_profile("hub").methods]
    assert codes == ["113100", "113104", "113105", "113107", "113108", "113111"]
    assert [method.value for method in load_profile("basic").methods] == ["113100"]


def test_a_site_writes_its_own(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "name: site\npurpose: trial\noptions: [retain full dates]\nremove: [StudyDate]\n"
        "beyond_table: remove\n"
    )
    attributes = {
        each.keyword: each for each in keep_list(load_profile(str(path))).attributes.values()
    }
    assert "StudyDate" not in attributes
    assert attributes["SeriesDate"].rule == "dates"
    # Of what the table does not name only that stays which an object must have.
    assert "Rows" in attributes
    assert "SliceLocation" not in attributes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: site", "purpose"),
        ("name: site\npurpose: x\noptions: [retain everything]", "options.0"),
        ("name: site\npurpose: x\noptions: [clean pixel data]", "options.0"),
        ("name: site\npurpose: x\noptions: [retain full dates, retain modified dates]", "dates"),
        ("name: site\npurpose: x\nremove: [NoSuchAttribute]", "NoSuchAttribute"),
        ("name: site\npurpose: x\nrules: {PatientAge: nosuchrule}", "nosuchrule"),
        ("name: site\npurpose: x\nretains: all", "retains"),
        (f"name: site\npurpose: x\nfree_text: true\noptions: [{MODIFIED}]", "clean descriptors"),
        (f"name: site\npurpose: x\nfree_text: true\noptions: [{CLEAN}]", "dates"),
        ("- a list", "mapping"),
        ("a: [", "while parsing"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings) as caught:
        check_rules(load_profile(str(path)))
    assert said in caught.value.problem


@pytest.mark.parametrize("name", ["nosuch", "../hub", "/nowhere/site.yaml"])
def test_a_profile_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(BadSettings):
        load_profile(name)
