"""What readers say of X-rays travels the whole road: archive, door, hub, collection, training."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.app.study_job import StudyJob
from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.deid.hub_door import HubDoor
from sightline.hub.collections import Criteria, Shares, make_version, open_members
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.intake.files import import_path
from sightline.intake.statements import read_statements, state_all
from sightline.phantoms.people import visit
from sightline.phantoms.series import SeriesNames
from sightline.phantoms.xray import TARGET, chest_xray, write_xray, write_xrays
from sightline.serve.engine import Engine
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from sightline.values.statement import Statement

SIZE = 48
SEEDS = range(1, 7)


@dataclasses.dataclass
class House:
    """Both stores and the door between them, in this process."""

    archive: Archive
    hub: Hub
    job: StudyJob
    folder: Path

    def say(self, rows: list[dict[str, object]]) -> None:
        path = self.folder / "values.json"
        path.write_text(json.dumps(rows))
        report = state_all(self.archive, read_statements(path, author="Reader^One"))
        assert report.refused == ()

    def pass_door(self, *seeds: int) -> None:
        for seed in seeds:
            self.job.pass_study(str(visit(seed).study_uid))

    def said(self, target: str) -> list[Statement]:
        made = make_version(self.hub, target, Criteria(target=target), shares=Shares(test=0))
        members = open_members(self.hub, made, "train") + open_members(self.hub, made, "validation")
        return [each.statement for each in members if each.statement]


@pytest.fixture
def house(tmp_path: Path) -> House:
    settings = Settings(data_dir=tmp_path / "data")
    archive, hub = Archive.open(settings), Hub.open(settings)
    engine = Engine(hub, threads=1)
    job = StudyJob(settings, archive, hub, HubDoor.open(settings), engine)
    return House(archive=archive, hub=hub, job=job, folder=tmp_path)


@pytest.fixture
def place(house: House) -> Callable[..., None]:
    """Import X-rays by their seeds."""

    def bring(*seeds: int) -> None:
        for seed in seeds:
            picture = chest_xray(seed, size=SIZE).picture
            write_xray(picture, house.folder / "dicom" / f"{seed}.dcm", visit=visit(seed))
        import_path(house.archive, house.folder / "dicom")

    return bring


def test_a_table_of_values_reaches_the_collection(house: House) -> None:
    table = write_xrays(house.folder, seeds=SEEDS, size=SIZE, on_progress=lambda _: None)
    import_path(house.archive, house.folder / "dicom")
    report = state_all(house.archive, read_statements(table))
    assert (report.new, report.refused) == (len(SEEDS), ())
    house.pass_door(*SEEDS)
    assert holdings(house.archive) == []

    made = make_version(house.hub, "opacities", Criteria(modality="DX", target=TARGET))
    members = open_members(house.hub, made, "train")
    truth = sorted(chest_xray(seed, size=SIZE).has_opacity for seed in SEEDS)
    stored = make_version(
        house.hub, "all", Criteria(target=TARGET), shares=Shares(validation=0, test=0)
    )
    said = [each.statement for each in open_members(house.hub, stored, "train")]
    assert sorted(TARGET in each.present for each in said if each) == truth
    assert {each.author for each in said if each} != {"Phantom^Reader"}
    assert all(each.author.startswith("R-") for each in said if each)
    assert members[0].volume.shape == (1, SIZE, SIZE)
    assert members[0].volume.attributes["frame"] == "image"
    pictures = [chest_xray(seed, size=SIZE).picture for seed in SEEDS]
    assert any(np.array_equal(members[0].volume.read()[0], picture) for picture in pictures)
    annotation = members[0].member.annotation_id
    assert annotation is not None
    down = {step.node.kind for step in trace(house.hub, annotation, "down").steps}
    up = {step.node.kind for step in trace(house.hub, annotation, "up").steps}
    assert ("collection" in down, up) == (True, {"series", "subject"})


def test_of_what_a_reader_says_the_last_counts(house: House, place: Callable[..., None]) -> None:
    place(1)
    base = {"accession_number": visit(1).accession_number, "target": "finding"}
    for present in (["normal"], ["lesion"], ["normal"]):
        house.say([base | {"classes": ["normal", "lesion"], "present": present}])
        house.say([base | {"classes": ["normal", "lesion"], "present": present}])
    house.pass_door(1)
    (said,) = house.said("finding")
    assert (said.classes, said.present, said.kind) == (
        ("normal", "lesion"),
        ("normal",),
        "presence",
    )


def test_numbers_and_places_keep_what_they_say(house: House, place: Callable[..., None]) -> None:
    place(1)
    base = {"study_uid": str(visit(1).study_uid)}
    point = {"class_name": "nodule", "centre_mm": [90.0, 100.5, 0.0]}
    nodule = point | {"centre_mm": [200.0, 150.0, 0.0], "size_mm": [30.0, 15.0, 1.0]}
    house.say(
        [
            base | {"target": "volume", "number": 12.5, "unit": "ml"},
            base | {"target": "nodules", "classes": ["nodule", "cyst"], "places": [point, nodule]},
            base | {"target": "cysts", "classes": ["cyst"], "places": []},
        ]
    )
    house.pass_door(1)
    (volume,) = house.said("volume")
    assert (volume.kind, volume.numbers, volume.units) == ("numbers", (12.5,), ("ml",))
    (nodules,) = house.said("nodules")
    assert [each.centre_mm for each in nodules.places] == [(90.0, 100.5, 0.0), (200.0, 150.0, 0.0)]
    assert [each.size_mm for each in nodules.places] == [(0.0, 0.0, 0.0), (30.0, 15.0, 1.0)]
    (cysts,) = house.said("cysts")
    assert (cysts.kind, cysts.places, cysts.classes) == ("places", (), ("cyst",))


def test_a_name_that_is_on_no_list_is_held_and_never_replaced(
    house: House, place: Callable[..., None]
) -> None:
    place(1)
    base = {"study_uid": str(visit(1).study_uid), "target": "finding"}
    house.say([base | {"classes": ["zenkerish"], "present": ["zenkerish"]}])
    house.pass_door(1)
    held = holdings(house.archive, study_uid=StudyUid(visit(1).study_uid))
    assert [each.reason for each in held] == ["unknown_segment_name"]


def test_a_series_is_paired_with_another_of_its_study(house: House) -> None:
    pictures = [chest_xray(seed, size=SIZE).picture for seed in (1, 2)]
    for number, (picture, words) in enumerate(
        zip(pictures, ("CHEST PA", "CHEST ENHANCED"), strict=True), start=1
    ):
        write_xray(
            picture,
            house.folder / "dicom" / f"{number}.dcm",
            visit=visit(1),
            names=SeriesNames(number=number, description=words),
        )
    import_path(house.archive, house.folder / "dicom")
    house.pass_door(1)
    shares = Shares(validation=0, test=0)
    made = make_version(house.hub, "pairs", Criteria(into="enhanced"), shares=shares)
    (member,) = open_members(house.hub, made, "train")
    assert member.image is not None
    assert np.array_equal(member.volume.read()[0], pictures[0])
    assert np.array_equal(member.image.read()[0], pictures[1])
    assert member.mask is None
    above = [step.node.kind for step in trace(house.hub, made.label, "up").steps]
    assert above.count("series") == 2
