"""Every file below a folder is found, or the folder that hides some is named."""

from pathlib import Path

import pytest

from sightline.deid.study_files import files_below
from sightline.errors import Refused


def test_files_at_every_depth_are_found_and_linked_folders_are_not(tmp_path: Path) -> None:
    files = [tmp_path / "in" / name for name in ("1.dcm", "deep/2.dcm", "deep/er/3.dcm")]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "in" / "linked.dcm").symlink_to(files[0])
    (tmp_path / "in" / "around").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "broken.dcm").symlink_to(tmp_path / "nothing")
    assert sorted(files_below(tmp_path / "in")) == sorted([*files, tmp_path / "in" / "linked.dcm"])


def test_one_file_is_found_by_itself(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").touch()
    assert list(files_below(tmp_path / "1.dcm")) == [tmp_path / "1.dcm"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="gone cannot be listed"):
        list(files_below(tmp_path / "gone"))
