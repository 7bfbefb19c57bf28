"""Faces go from the DICOM instances of a head, and everything else stays."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from sightline.deid.certificates import CERTIFICATE_FILE
from sightline.deid.dataset import read_file
from sightline.deid.door import Passage
from sightline.deid.face_removal import remove_faces, without_face
from sightline.deid.faceless import without_faces
from sightline.deid.faces import is_head
from sightline.deid.folder import deidentify_folder
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.formats.dicom_image import decode_volumes
from sightline.phantoms.people import visit
from sightline.phantoms.series import SeriesNames, write_series
from sightline.values.study import DeidentifiedStudy
from tests.deid.heads import gate_head, share_gone
from tests.deid.studies import pass_files, study_in
from tests.instances import part10_of, slice_of

HEAD = SeriesNames(description="HEAD", body_part="HEAD", study_description="CT HEAD")
NUMBER = 8


def passed(folder: Path, vault: Vault) -> DeidentifiedStudy:
    head = gate_head(NUMBER)
    written = write_series(head.volume, folder, visit=visit(1), names=HEAD)
    return pass_files(written.files, vault)


def compressed(content: bytes) -> bytes:
    """Compress an image without loss, by RLE."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.compress(RLELossless)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def test_a_series_loses_its_face(tmp_path: Path, vault: Vault) -> None:
    head, study = gate_head(NUMBER), passed(tmp_path / "head", vault)
    assert all(map(is_head, study.instances))
    contents = [compressed(each.content) for each in study.instances[::2]] + [
        each.content for each in study.instances[1::2]
    ]
    given = [
        dataclasses.replace(each, content=content)
        for each, content in zip(
            (*study.instances[::2], *study.instances[1::2]), contents, strict=True
        )
    ]
    faceless = remove_faces(given)
    assert faceless == remove_faces(given)
    assert [each.uid for each in faceless] == [each.uid for each in given]
    assert not any(map(is_head, faceless))

    (before,) = decode_volumes(contents).volumes
    (after,) = decode_volumes([each.content for each in faceless]).volumes
    assert after.geometry == before.geometry
    assert (after.slope, after.intercept) == (before.slope, before.intercept)
    # Slices come back along their normal, which may be the other way round.
    way = 1 if np.array_equal(before.voxels, head.volume.voxels) else -1
    assert np.array_equal(before.voxels[::way], head.volume.voxels)
    mask = (after.voxels != before.voxels)[::way]
    assert share_gone(head, mask) > 0.9  # noise may already have had the value of air
    assert not (mask & head.brain).any()
    for old, new in zip(given, faceless, strict=True):
        assert_only_pixels_differ(old.content, new.content)


def assert_only_pixels_differ(old: bytes, new: bytes) -> None:
    before, after = pydicom.dcmread(io.BytesIO(old)), pydicom.dcmread(io.BytesIO(new))
    after.decode()
    changed = {
        element.keyword
        for element in after
        if element.keyword not in before or before[element.keyword] != element
    }
    assert changed <= {
        "PixelData",
        "RecognizableVisualFeatures",
        "DeidentificationMethodCodeSequence",
    }
    assert {element.keyword for element in before} <= {element.keyword for element in after}
    methods = [item.CodeValue for item in after.DeidentificationMethodCodeSequence]
    if "PixelData" in changed and not np.array_equal(before.pixel_array, after.pixel_array):
        assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert methods.count("113102") == 1
    else:
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        assert read_file(old, ()).elements[0x7FE00010].value == (
            read_file(new, ()).elements[0x7FE00010].value
        )


def test_what_cannot_be_judged_is_refused(vault: Vault, tmp_path: Path) -> None:
    files = []
    for number in range(1, 4):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(part10_of(slice_of(number, BodyPartExamined="HEAD", PixelSpacing=[9, 9])))
        files.append(path)
    study = pass_files(files, vault)
    with pytest.raises(Refused, match="cannot be removed with certainty"):
        without_face([each.content for each in study.instances])


def test_a_folder_holds_heads_that_cannot_be_judged(tmp_path: Path, vault: Vault) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number, part in ((1, "HEAD"), (2, "HEAD"), (3, "HEAD")):
        dataset = slice_of(number, BodyPartExamined=part, PixelSpacing=[9, 9])
        (source / f"{number}.dcm").write_bytes(part10_of(dataset))
    done = deidentify_folder(source, tmp_path / "out", vault, removes_faces=True)
    assert [each.reason for each in done.held] == ["face_not_removed"] * 3
    assert done.instances == 0
    assert not list((tmp_path / "out").rglob(CERTIFICATE_FILE))


def test_a_chest_passes_as_it_is(tmp_path: Path, vault: Vault) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(part10_of(slice_of(1, BodyPartExamined="CHEST", StudyDescription="")))
    study = pass_files([path], vault)
    passage = without_faces(Passage(study=study, held=()), study_in([path]), vault)
    assert passage.study is not None
    assert passage.study.instances == study.instances
    assert passage.held == ()
