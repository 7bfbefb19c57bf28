"""Pictures as Secondary Capture: clean, marked, and pixel for pixel."""

import dataclasses
import io

import numpy as np
import pydicom
import pytest

from sightline.formats.dicom_file import read_header
from sightline.formats.result_object import read_sources
from sightline.formats.sc import write_sc
from sightline.phantoms.series import WrittenSeries
from tests.formats.sources import IDENTITY
from tests.verification import dicom_errors

SHAPES = [(12, 16, 3), (11, 15, 3), (4, 12, 16, 3), (3, 11, 15, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_survive_and_the_object_is_clean(
    series: WrittenSeries, shape: tuple[int, ...]
) -> None:
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    content = write_sc(picture, read_sources(series.files), identity=IDENTITY)
    dataset = pydicom.dcmread(io.BytesIO(content))
    assert np.array_equal(dataset.pixel_array, picture)
    assert dicom_errors(content) == []
    assert content == write_sc(picture, read_sources(series.files), identity=IDENTITY)
    header = read_header(content)
    assert header.patient == series.patient
    assert header.study_uid == series.study_uid
    assert header.frames == (shape[0] if len(shape) == 4 else 1)


def test_is_marked_unless_a_site_says_otherwise(axial_ct: WrittenSeries) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    assert b"RESEARCH USE ONLY" in write_sc(
        picture, read_sources(axial_ct.files), identity=IDENTITY
    )
    cleared = dataclasses.replace(IDENTITY, is_research_only=False)
    assert b"RESEARCH USE ONLY" not in write_sc(
        picture, read_sources(axial_ct.files), identity=cleared
    )
