"""What passed the door becomes instances, one volume a series, annotations and lineage."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import sqlalchemy as sa

from sightline.catalog.hub_tables import ANNOTATION, CERTIFICATE, INSTANCE, SERIES, VOLUME
from sightline.hub.admission import admit, volume_geometry
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.store.arrays import SLICE_RESCALE, StoredArray
from sightline.values.identity import HubInstanceUid
from sightline.values.study import DeidentifiedStudy
from tests.hubs import AFFINE, CLASSES, SHAPE, mask_of, study_of, voxels_of


def test_voxels_geometry_and_mask_come_back(hub: Hub, fill: Callable[..., None]) -> None:
    fill(1)
    with hub.database.read() as connection:
        series = connection.execute(sa.select(SERIES).where(SERIES.c.modality == "CT")).one()
        annotation = connection.execute(sa.select(ANNOTATION)).one()
    volume = hub.array(series.volume_digest)
    assert np.array_equal(volume.read(), voxels_of(1))
    assert np.allclose(volume_geometry(volume.attributes, volume.shape).matrix, AFFINE)
    assert volume.attributes["intercept"] == -1024
    assert np.array_equal(hub.array(annotation.mask_digest).read(), mask_of(1))
    assert (annotation.series_uid, tuple(annotation.classes)) == (series.uid, CLASSES)


def test_a_repeat_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    study = study_of(1, tmp_path)
    counts = []
    for _ in range(2):
        admit(hub, study)
        with hub.database.read() as connection:
            counts.append(
                [
                    connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
                    for table in (INSTANCE, SERIES, ANNOTATION, CERTIFICATE)
                ]
            )
    assert counts[0] == counts[1] == [SHAPE[0] + 1, 2, 1, 1]


def test_an_unsound_series_is_kept_and_named(hub: Hub, tmp_path: Path) -> None:
    study = study_of(1, tmp_path)
    gap = (".1.0", ".1.1", ".1.4")
    images = [each for each in study.instances[:6] if each.uid.endswith(gap)]
    admit(hub, dataclasses.replace(study, instances=tuple(images)))
    with hub.database.read() as connection:
        series = connection.execute(sa.select(SERIES)).one()
    assert series.volume_digest == ""
    assert "2 slices are missing, first between image 2 and image 5" in series.not_volume
    with hub.database.read() as connection:
        assert connection.execute(sa.select(VOLUME)).all() == []


def _changed(
    study: DeidentifiedStudy, *changes: Callable[[int, pydicom.Dataset], None]
) -> DeidentifiedStudy:
    """Put a copy of every image of the study in for each change."""
    images = [each for each in study.instances if each.sop_class_uid.endswith("1.1.2")]
    instances = [each for each in study.instances if each not in images]
    for copy, change in enumerate(changes):
        for number, each in enumerate(images):
            dataset = pydicom.dcmread(io.BytesIO(each.content))
            change(number, dataset)
            dataset.SOPInstanceUID = uid = HubInstanceUid(f"{each.uid}{copy or ''}")
            dataset.InstanceNumber = 1 + number + copy * len(images)
            dataset.file_meta.MediaStorageSOPInstanceUID = uid
            with io.BytesIO() as file:
                dataset.save_as(file)
                content = file.getvalue()
            instances.insert(
                len(instances) - 1, dataclasses.replace(each, uid=uid, content=content)
            )
    return dataclasses.replace(study, instances=tuple(instances))


def _echo(time: float, step: int) -> Callable[[int, pydicom.Dataset], None]:
    def change(_: int, dataset: pydicom.Dataset) -> None:
        dataset.EchoTime = time
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<i2") + step).tobytes()

    return change


def test_two_echoes_are_two_named_volumes(hub: Hub, tmp_path: Path) -> None:
    admit(hub, _changed(study_of(1, tmp_path), _echo(2.5, 0), _echo(5.0, 7)))
    with hub.database.read() as connection:
        series = connection.execute(sa.select(SERIES).where(SERIES.c.modality == "CT")).one()
        volumes = connection.execute(sa.select(VOLUME).order_by(VOLUME.c.number)).all()
        annotation = connection.execute(sa.select(ANNOTATION)).one()
    assert series.volume_digest == ""
    assert series.not_volume == "the series makes 2 volumes: echo time 2.5; echo time 5.0"
    assert [(each.number, each.name) for each in volumes] == [
        (1, "echo time 2.5"),
        (2, "echo time 5.0"),
    ]
    for step, volume in zip((0, 7), volumes, strict=True):
        assert np.array_equal(hub.array(volume.digest).read(), voxels_of(1) + step)
    # Both lie on one grid, so the mask that was drawn on the series lies on both.
    assert np.array_equal(hub.array(annotation.mask_digest).read(), mask_of(1))


def test_late_images_turn_one_volume_into_two(hub: Hub, tmp_path: Path) -> None:
    first = _changed(study_of(1, tmp_path), _echo(2.5, 0))
    admit(hub, first)
    both = _changed(study_of(1, tmp_path), _echo(2.5, 0), _echo(5.0, 7))
    counts = []
    for study in (first, both, both):
        admit(hub, study)
        with hub.database.read() as connection:
            counts.append(len(connection.execute(sa.select(VOLUME)).all()))
    assert counts == [1, 2, 2]


def test_rescale_of_each_slice_is_kept_and_applied(hub: Hub, tmp_path: Path) -> None:
    def change(number: int, dataset: pydicom.Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1 + number / 8}", str(number)

    admit(hub, _changed(study_of(1, tmp_path), change))
    with hub.database.read() as connection:
        series = connection.execute(sa.select(SERIES).where(SERIES.c.modality == "CT")).one()
    array = hub.array(series.volume_digest)
    slopes = 1 + np.arange(SHAPE[0]) / 8
    assert array.attributes[SLICE_RESCALE] == [[slope, n] for n, slope in enumerate(slopes)]
    # No reader takes one scale for all slices unknowingly.
    assert (array.attributes["slope"], array.attributes["intercept"]) == (None, None)
    assert np.array_equal(array.read_stored(), voxels_of(1))
    expected = voxels_of(1) * slopes[:, None, None] + np.arange(SHAPE[0])[:, None, None]
    assert np.array_equal(array.read(), expected.astype(np.float32))
    assert array.scale == (1.0, 0.0)
    box = (slice(2, 5), slice(3, 9), slice(0, 4))
    assert np.array_equal(array.start_read(box).result(), expected.astype(np.float32)[box])


def test_a_volume_of_the_first_version_is_still_read() -> None:
    old = StoredArray.open(Path(__file__).parent.parent / "data" / "arrays" / "volume-1")
    assert (old.attributes["format"], old.attributes["version"]) == ("sightline-volume", 1)
    assert np.array_equal(old.read(), voxels_of(1))
    assert old.scale == (1.0, -1024.0)
    assert volume_geometry(old.attributes, old.shape).spacing_mm == (2.5, 0.7, 0.8)


def test_lineage_leads_from_annotation_to_subject(hub: Hub, fill: Callable[..., None]) -> None:
    fill(3)
    down = trace(hub, "S-0000000003", "down")
    kinds = [step.node.kind for step in down.steps]
    assert sorted(set(kinds)) == ["annotation", "series"]
    annotation = next(step.node for step in down.steps if step.node.kind == "annotation")
    up = trace(hub, annotation.id, "up")
    assert [step.node.kind for step in up.steps] == ["series", "subject"]
    assert up.steps[-1].node.id == "S-0000000003"
