"""What passed the door becomes instances, one volume a series, annotations and lineage."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from sightline.catalog.hub_tables import ANNOTATION, CERTIFICATE, INSTANCE, SERIES
from sightline.hub.admission import admit, volume_geometry
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
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
    assert series.not_volume


def test_lineage_leads_from_annotation_to_subject(hub: Hub, fill: Callable[..., None]) -> None:
    fill(3)
    down = trace(hub, "S-0000000003", "down")
    kinds = [step.node.kind for step in down.steps]
    assert sorted(set(kinds)) == ["annotation", "series"]
    annotation = next(step.node for step in down.steps if step.node.kind == "annotation")
    up = trace(hub, annotation.id, "up")
    assert [step.node.kind for step in up.steps] == ["series", "subject"]
    assert up.steps[-1].node.id == "S-0000000003"
