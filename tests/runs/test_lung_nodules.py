"""Real nodules with four readers go the whole road, and nothing that they said is changed by it."""

from pathlib import Path

import numpy as np
import pytest
from runs.wrap_lung_nodules import CLASSES, read, wrap

from sightline.archive.archive import Archive
from sightline.archive.studies import list_studies, study
from sightline.deid.hub_door import HubDoor
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version, series_named
from sightline.hub.consensus import make_consensus
from sightline.hub.hub import Hub
from sightline.intake.annotations import annotate_all, read_table
from sightline.intake.files import import_path
from sightline.judge.agreement import agree, agree_on
from sightline.settings import Settings
from sightline.values.agreement import Agreement, ClassAgreement

ALL = 505
PUBLISHED_DICE = 0.79
"""Of two readers, in the description of the data; it is over slices that both marked."""


@pytest.mark.parametrize("count", [3, pytest.param(ALL, marks=pytest.mark.gate)])
def test_readers_in_the_hub_agree_as_in_the_files(
    test_data: Path, tmp_path: Path, count: int
) -> None:
    source = test_data / "lung_nodules"
    table = wrap(source, tmp_path / "wrapped", count=count)
    settings = Settings.load(data_dir=tmp_path / "data")
    archive, hub = Archive.open(settings), Hub.open(settings)
    import_path(archive, tmp_path / "wrapped" / "dicom")
    report = annotate_all(archive, read_table(table, classes=(), author=""))
    assert (report.new, report.refused) == (4 * count, ())
    door = HubDoor.open(settings)
    for each in list_studies(archive):
        passage = door.pass_study(study(archive, each.study.uid))
        assert passage.held == ()
        assert passage.study is not None
        admit(hub, passage.study)

    chosen = make_version(hub, "nodules", Criteria(classes=CLASSES))
    patients = {file.stem.split("_")[0] for file in sorted(source.glob("*.npz"))[:count]}
    assert len(chosen.members) == count
    assert len({member.subject_id for member in chosen.members}) == len(patients)
    found = agree(hub, series_named(hub, "nodules", None), classes=CLASSES)
    plain = [_of_file(file) for file in sorted(source.glob("*.npz"))[:count]]
    for part in ("pairs", "left_out"):
        assert _dice(_classes(found), part) == _dice(plain, part)
    done = make_consensus(hub, series_named(hub, "nodules", None), "majority", classes=CLASSES)
    assert (len(done.made), done.alone) == (count, ())
    if count == ALL:
        slices = [d for each in _classes(found) for pair in each.pairs for d in pair.slice_dice]
        assert np.mean(slices) == pytest.approx(PUBLISHED_DICE, abs=0.005)
        assert len(patients) == 164
    archive.close()
    hub.close()


def _of_file(file: Path) -> ClassAgreement:
    _, masks = read(file)
    (of_class,) = agree_on(
        list(masks), ("1", "2", "3", "4"), classes=CLASSES, method="majority", spacing_mm=None
    )
    return of_class


def _classes(found: Agreement) -> list[ClassAgreement]:
    return [each.classes[0] for each in found.series]


def _dice(found: list[ClassAgreement], part: str) -> list[float]:
    each = [closeness.dice for of_class in found for closeness in getattr(of_class, part)]
    return sorted(-1.0 if dice is None else dice for dice in each)
