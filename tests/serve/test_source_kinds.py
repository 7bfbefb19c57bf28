"""Results on five kinds of source series: without an error, and read back as they were drawn."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.archive.archive import Archive
from sightline.archive.results import objects_of, prediction, published_predictions
from sightline.errors import UnsoundSeries
from sightline.formats.dicom_image import read_volume
from sightline.formats.seg import read_seg
from sightline.formats.sr import read_sr
from sightline.hub.hub import Hub
from sightline.serve.engine import Engine
from sightline.serve.making import result_ids
from sightline.serve.remaking import remake
from sightline.values.identity import LineageId
from sightline.values.model import ModelRecord
from tests.source_kinds import KINDS, REFUSED, add_drawing_of_any, publish_on, receive
from tests.verification import dicom_errors


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, ModelRecord]]:
    folder = tmp_path_factory.mktemp("taught")
    hub = Hub.at(folder / "hub")
    yield hub, add_drawing_of_any(hub, folder)
    hub.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_is_clean_and_reads_back(
    tmp_path: Path, archive: Archive, taught: tuple[Hub, ModelRecord], kind: str
) -> None:
    hub, record = taught
    written = KINDS[kind](tmp_path / "source")
    receive(archive, written)
    name = publish_on(archive, hub, record, written)
    objects = {
        each: archive.objects.get(digest)
        for each, digest in objects_of(archive, result_ids(name)).items()
    }
    assert len(objects) == 3
    for content in objects.values():
        assert dicom_errors(content) == []

    volume = read_volume(list(written.files))
    engine = Engine(hub, threads=1)
    drawn = engine.predict(record, volume)
    assert drawn.mask.any()
    seg, sr, sc = (objects[LineageId(each)] for each in result_ids(name))
    assert np.array_equal(read_seg(seg, volume.geometry).mask, drawn.mask)
    finding = prediction(archive, name).finding
    assert finding is not None
    assert read_sr(sr).measurements == finding.measurements
    assert sum(each.volume_ml for each in finding.measurements) == pytest.approx(
        float((drawn.mask > 0).sum()) * volume.geometry.voxel_ml, rel=1e-6
    )
    assert pydicom.dcmread(io.BytesIO(sc)).pixel_array.shape[-1] == 3
    assert remake(archive, engine, hub, name=name).is_equal


@pytest.mark.parametrize("kind", REFUSED)
def test_what_makes_no_volume_is_refused_with_its_reason(
    tmp_path: Path, archive: Archive, taught: tuple[Hub, ModelRecord], kind: str
) -> None:
    hub, record = taught
    make, reason = REFUSED[kind]
    written = make(tmp_path / "source")
    receive(archive, written)
    with pytest.raises(UnsoundSeries, match=reason):
        publish_on(archive, hub, record, written)
    assert published_predictions(archive) == []
