"""Formats by name and by bytes, our own and those of packages nobody here has heard of."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import BadFile
from sightline.formats.contract import FORMATS, as_segmentation, read_mask, recognise
from sightline.formats.nifti import PLUGIN, write_nifti_mask
from sightline.testing.formats import example_mask, example_volume

TOY = '''
"""A format from outside: a numpy archive with class names in it."""
import io
import zipfile

import numpy as np

from sightline.errors import BadFile
from sightline.formats.contract import Format
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume


def read(content):
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            array = archive["array"]
            geometry = Geometry.from_affine(array.shape, archive["affine"])
            if "classes" not in archive:
                slope, intercept = archive["scale"].tolist()
                return Volume(
                    voxels=array, geometry=geometry, modality="", slope=slope, intercept=intercept
                )
            classes = tuple(archive["classes"].tolist())
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise BadFile("no toy file", hint="Write it again.") from error
    return Segmentation(mask=array, geometry=geometry, classes=classes, author="toy")


def write(value):
    file = io.BytesIO()
    if isinstance(value, Volume):
        more = {"array": value.voxels, "scale": [value.slope, value.intercept]}
    else:
        more = {"array": value.mask, "classes": list(value.classes)}
    np.savez(file, affine=value.geometry.matrix, **more)
    return file.getvalue()


PLUGIN = Format(
    title="Toy",
    suffixes=(".toy",),
    recognises=lambda head: head.startswith(b"PK"),
    read=read,
    write=write,
)
'''

TOY_TEST = """
import pytest
import toy_format
from sightline.testing.formats import FormatConformance


class TestToy(FormatConformance):
    @pytest.fixture
    def candidate(self):
        return toy_format.PLUGIN

    def test_damaged_files_raise_nothing_else(self):
        pytest.skip("zip and numpy are not ours to harden")
"""


@pytest.fixture
def outsider(tmp_path: Path) -> Path:
    """Give a folder that holds an installed package which offers one format."""
    (tmp_path / "toy_format.py").write_text(TOY)
    _offer(tmp_path, "toy")
    return tmp_path


def _offer(folder: Path, name: str) -> None:
    installed = folder / "toy_format-1.0.dist-info"
    installed.mkdir(exist_ok=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-format\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        f"[sightline.formats]\n{name} = toy_format:PLUGIN\n"
    )


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_outsider_s_format_is_listed_recognised_and_used(outsider: Path) -> None:
    script = """
from sightline.formats.contract import FORMATS, read_mask, recognise
from sightline.testing.formats import example_mask
print(FORMATS.names())
mask = example_mask()
content = FORMATS.get("toy").write(mask)
print(recognise(content).title)
drawn = read_mask(content, classes=("lesion", "lung"), author="R1")
print(drawn.classes, drawn.author, (drawn.mask == 1).sum() == (mask.mask == 2).sum())
"""
    done = _run(outsider, "-c", script)
    assert done.returncode == 0, done.stderr
    names, title, drawn = done.stdout.splitlines()
    assert names == str(sorted([*FORMATS.names(), "toy"]))
    assert title == "Toy"
    assert drawn == "('lesion', 'lung') R1 True"


def test_an_outsider_can_run_the_conformance_suite(outsider: Path) -> None:
    (outsider / "test_toy.py").write_text(TOY_TEST)
    done = _run(outsider, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_toy.py")
    assert done.returncode == 0, done.stdout
    assert "7 passed, 1 skipped" in done.stdout


def test_two_formats_of_one_name_are_refused(outsider: Path) -> None:
    _offer(outsider, "nifti")
    done = _run(outsider, "-c", "from sightline.formats.contract import FORMATS; FORMATS.names()")
    assert done.returncode != 0
    assert "NameTaken: 'nifti' of toy_format is already sightline.formats.nifti" in done.stderr


def test_known_formats_by_name_and_by_bytes() -> None:
    assert FORMATS.names() == ["nifti"]
    assert recognise(write_nifti_mask(example_mask())) is PLUGIN
    with pytest.raises(BadFile, match="no known format") as caught:
        recognise(b"hello")
    assert "NIfTI" in caught.value.hint


def test_a_mask_without_names_is_numbered_as_asked() -> None:
    mask = example_mask()
    drawn = read_mask(write_nifti_mask(mask), classes=("lung", "lesion"), author="R2")
    assert np.array_equal(drawn.mask, mask.mask)
    assert (drawn.classes, drawn.author) == (("lung", "lesion"), "R2")


def test_an_image_is_no_mask() -> None:
    with pytest.raises(BadFile, match="values from -60 to 59 for 1 classes"):
        as_segmentation(example_volume(), classes=("lung",), author="R1")


def test_a_class_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(BadFile, match="has a class 'lesion'") as caught:
        as_segmentation(example_mask(), classes=("lung",), author="R1")
    assert "lung" in caught.value.hint
