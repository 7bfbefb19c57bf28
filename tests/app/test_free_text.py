"""Comments of a study on their way into the hub: cleaned where a site asks for it, else gone."""

from pathlib import Path

import pytest

from sightline.archive.receiving import keep
from sightline.values.arrival import Source
from tests.app.test_identity import House
from tests.deid.profiles import profile_with_text
from tests.instances import ROOT, part10_of, slice_of

STUDY = f"{ROOT}.8.7"
COMMENT = "Nodule of 8 mm, seen by Dr. Lindner on 20240130. Mrs Kowalczyk (ACC-4711-22) was told."


def comment_in_hub(folder: Path) -> str | None:
    house = House(folder)
    dataset = slice_of(
        1,
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=f"{STUDY}.0",
        SOPInstanceUID=f"{STUDY}.0.1",
        PatientID="4711",
        PatientName="Kowalczyk^Ada",
        AccessionNumber="ACC-4711-22",
        ImageComments=COMMENT,
    )
    keep(house.archive, part10_of(dataset), Source(name="test"))
    house.pass_door(STUDY)
    (content,) = house.contents(STUDY)
    house.close()
    return str(content.ImageComments) if "ImageComments" in content else None


def test_comments_stay_behind_unless_the_site_lets_them_pass(tmp_path: Path) -> None:
    assert comment_in_hub(tmp_path) is None


def test_with_the_line_of_the_profile_they_pass_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_DEID_PROFILE", str(profile_with_text(tmp_path)))
    left = comment_in_hub(tmp_path) or ""
    assert left.startswith("Nodule of 8 mm, seen by Dr. [NAME ")
    assert left.endswith("]. Mrs [PATIENT] ([ID]) was told.")
    assert "2024" not in left
