"""A collection leaves as DICOM; a public export leaves out what may show a face."""

import dataclasses
from pathlib import Path

import pydicom
import pytest

from sightline.errors import Refused
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version
from sightline.hub.exporting import export
from sightline.hub.hub import Hub
from sightline.values.study import DeidentifiedStudy
from tests.hubs import SHAPE, study_of


def _marked(study: DeidentifiedStudy, mark: str, folder: Path) -> DeidentifiedStudy:
    """Mark every image as the door does."""
    instances = []
    for each in study.instances[: SHAPE[0]]:
        path = folder / "marked.dcm"
        path.write_bytes(each.content)
        dataset = pydicom.dcmread(path)
        dataset.RecognizableVisualFeatures = mark
        dataset.save_as(path)
        instances.append(dataclasses.replace(each, content=path.read_bytes()))
    return dataclasses.replace(study, instances=tuple(instances))


def test_a_public_export_shows_no_face(hub: Hub, tmp_path: Path) -> None:
    for number, mark in ((0, "NO"), (1, "YES"), (2, "NO")):
        admit(hub, _marked(study_of(number, tmp_path), mark, tmp_path))
    admit(hub, dataclasses.replace(study_of(3, tmp_path)))  # the door always marks; this did not
    chosen = make_version(hub, "all", Criteria(modality="CT"))

    public = export(hub, chosen, tmp_path / "public", is_public=True, on_progress=lambda _: None)
    inside = export(hub, chosen, tmp_path / "inside", is_public=False, on_progress=lambda _: None)

    assert (public.series, public.instances) == (2, 2 * SHAPE[0])
    assert set(public.withheld) == {"2.25.1001.1", "2.25.1003.1"}
    assert not list((tmp_path / "public").rglob("2.25.1001.1"))
    assert (inside.series, inside.withheld) == (4, ())
    first = next((tmp_path / "inside").rglob("*.dcm"))
    assert pydicom.dcmread(first).Modality == "CT"
    table = (tmp_path / "public" / "splits.tsv").read_text().splitlines()
    assert len(table) == 3


def test_nothing_is_written_over(hub: Hub, tmp_path: Path) -> None:
    admit(hub, study_of(0, tmp_path))
    chosen = make_version(hub, "all", Criteria(modality="CT"))
    with pytest.raises(Refused, match="not empty"):
        export(hub, chosen, tmp_path, is_public=False, on_progress=lambda _: None)
