"""A collection leaves as DICOM; a public export leaves out what may show a face."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.errors import Refused
from sightline.formats.seg import read_seg, read_seg_origin
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version
from sightline.hub.consensus import make_consensus
from sightline.hub.exporting import ClearFaces, Exported, export
from sightline.hub.hub import Hub
from sightline.values.collection import CollectionVersion
from sightline.values.geometry import Geometry
from sightline.values.study import DeidentifiedStudy
from tests.hubs import AFFINE, SHAPE, study_of
from tests.readers import NARROW, NODULE, WIDE, admit_read


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


def _fill(hub: Hub, folder: Path) -> None:
    for number, mark in ((0, "NO"), (1, "YES"), (2, "NO")):
        admit(hub, _marked(study_of(number, folder), mark, folder))
    admit(hub, dataclasses.replace(study_of(3, folder)))  # the door always marks; this did not


def _cleared(contents: Sequence[bytes]) -> Sequence[bytes]:
    """Stand in for the clearing: mark as free what is marked, refuse what bears no mark."""
    if any(b"YES " not in content for content in contents):
        raise Refused("no brain was found", hint="Leave it out.")
    return [content.replace(b"YES ", b"NO  ") for content in contents]


def test_a_public_export_is_refused_while_a_face_may_stand(hub: Hub, tmp_path: Path) -> None:
    _fill(hub, tmp_path)
    chosen = make_version(hub, "all", Criteria(modality="CT"))
    with pytest.raises(
        Refused, match=r"2 series may show a face: 2\.25\.1001\.1, 2\.25"
    ) as refused:
        made_public(hub, chosen, tmp_path / "public", None)
    assert "--remove-faces" in refused.value.hint
    assert not (tmp_path / "public").exists()


def made_public(
    hub: Hub, chosen: CollectionVersion, folder: Path, clear_faces: ClearFaces | None
) -> Exported:
    return export(
        hub,
        chosen,
        folder,
        is_public=True,
        on_progress=lambda _: None,
        clear_faces=clear_faces,
    )


def test_a_public_export_shows_no_face(hub: Hub, tmp_path: Path) -> None:
    _fill(hub, tmp_path)
    chosen = make_version(hub, "all", Criteria(modality="CT"))
    public = made_public(hub, chosen, tmp_path / "public", _cleared)
    inside = export(hub, chosen, tmp_path / "inside", is_public=False, on_progress=lambda _: None)

    assert (public.series, public.instances) == (3, 3 * SHAPE[0])
    assert [(each.series_uid, each.why) for each in public.withheld] == [
        ("2.25.1003.1", "no brain was found")
    ]
    written = list((tmp_path / "public").rglob("*.dcm"))
    assert {pydicom.dcmread(path).RecognizableVisualFeatures for path in written} == {"NO"}
    assert (inside.series, inside.withheld) == (4, ())
    first = min((tmp_path / "inside").rglob("*.dcm"))
    assert pydicom.dcmread(first).Modality == "CT"
    table = (tmp_path / "public" / "splits.tsv").read_text().splitlines()
    assert len(table) == 4


def test_a_face_that_was_not_cleared_does_not_leave(hub: Hub, tmp_path: Path) -> None:
    _fill(hub, tmp_path)
    chosen = make_version(hub, "all", Criteria(modality="CT"))
    done = made_public(hub, chosen, tmp_path / "public", lambda contents: contents)
    assert {each.series_uid for each in done.withheld} == {"2.25.1001.1", "2.25.1003.1"}


def test_nothing_is_written_over(hub: Hub, tmp_path: Path) -> None:
    admit(hub, study_of(0, tmp_path))
    chosen = make_version(hub, "all", Criteria(modality="CT"))
    with pytest.raises(Refused, match="not empty"):
        export(hub, chosen, tmp_path, is_public=False, on_progress=lambda _: None)


def test_a_consensus_leaves_as_a_segmentation_of_its_images(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, {"R-A": WIDE, "R-B": WIDE, "R-C": NARROW})
    make_consensus(hub, [series], "majority", classes=NODULE)
    chosen = make_version(hub, "all", Criteria(author="consensus:majority"))
    for name in ("one", "two"):
        done = export(hub, chosen, tmp_path / name, is_public=False, on_progress=lambda _: None)
        assert done.instances == SHAPE[0] + 1
    masks = [read_masks(tmp_path / name) for name in ("one", "two")]
    assert masks[0] == masks[1]
    (content,) = masks[0]
    drawn = read_seg(content, Geometry.from_affine(SHAPE, AFFINE))
    assert np.array_equal(drawn.mask, WIDE)
    assert (drawn.classes, drawn.author) == (NODULE, "consensus:majority")
    assert read_seg_origin(content).source_series_uid == series


def read_masks(folder: Path) -> list[bytes]:
    contents = [path.read_bytes() for path in sorted(folder.rglob("*.dcm"))]
    return [each for each in contents if pydicom.dcmread(io.BytesIO(each)).Modality == "SEG"]
