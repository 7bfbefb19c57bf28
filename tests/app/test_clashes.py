"""Whatever happens to a patient's identity meanwhile, no result is published under a wrong one."""

import dataclasses
from collections.abc import Iterator

import pydicom
import pytest
import sqlalchemy as sa

from sightline.app.worker import job_stem
from sightline.archive.outbox import due_deliveries, due_messages
from sightline.archive.results import predictions_of_study, publish, start_prediction
from sightline.archive.worklist import worklist
from sightline.audit.chain import entries
from sightline.catalog.archive_tables import INSTANCE, PATIENT, STUDY
from sightline.catalog.hub_tables import INSTANCE as HUB_INSTANCE
from sightline.catalog.hub_tables import SERIES as HUB_SERIES
from sightline.errors import StudyChanged
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.values.arrival import OutgoingResult
from sightline.values.identity import LineageId
from tests.app.identity_clashes import (
    HIDDEN,
    REFUSED,
    SLICES,
    Clash,
    House,
    Person,
    World,
    clashes,
)
from tests.hubs import study_of
from tests.instances import part10_of, slice_of

ALL = list(clashes())
# Seven has no factor in common with the number of moments, variants or kinds.
IN_CI = ALL[::7]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")

    def fill(hub: Hub) -> None:
        images = folder / "images"
        images.mkdir()
        admit(hub, study_of(1, images))

    made = House(folder, fill)
    yield made
    made.archive.close()
    made.hub.close()


def _run(world: World, clash: Clash) -> None:
    clash.kind.arrive(world)
    if clash.moment == "before claim":
        clash.kind.change(world)
    before = world.revision()
    has_changed = world.run(
        (lambda: clash.kind.change(world)) if clash.moment == "before publish" else None
    )
    if clash.moment == "after publish" or (clash.moment == "before publish" and not has_changed):
        clash.kind.change(world)
    if world.revision() != before:  # as the worker does
        world.run()


def _referenced(dataset: pydicom.Dataset) -> set[str]:
    return {
        str(element.value)
        for element in dataset.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }


def _check_shown(world: World, clash: Clash, owner: Person) -> None:
    """Check every object that is shown against what the case says, by pydicom and SQL alone."""
    known = clash.kind.names or owner
    former = {"A": world.a, "": None}[clash.kind.former]
    with world.house.archive.database.read() as connection:
        rows = connection.execute(
            sa.select(INSTANCE, PATIENT.c.patient_id, PATIENT.c.issuer, PATIENT.c.name)
            .join(STUDY, STUDY.c.uid == INSTANCE.c.study_uid)
            .join(PATIENT, PATIENT.c.id == STUDY.c.patient)
            .where(INSTANCE.c.rejected == "")
        ).all()
    images = {row.uid: row for row in rows}
    for dataset, row in world.shown():
        assert row.study_uid == dataset.StudyInstanceUID == world.study
        whose = images[row.uid]
        assert (whose.patient_id, whose.issuer) == (owner.number, world.issuer)
        assert whose.name == known.name
        said = (
            dataset.PatientID,
            str(dataset.PatientName),
            dataset.PatientBirthDate,
            dataset.PatientSex,
            dataset.get("IssuerOfPatientID", ""),
        )
        issuer = world.issuer if world.is_named else ""
        allowed = {(owner.number, known.name, known.birth_date, known.sex, issuer)}
        if former and clash.moment == "after publish":
            allowed.add((former.number, former.name, former.birth_date, former.sex, issuer))
        assert said in allowed
        ours = {each.uid for each in rows if each.lineage_id}
        for uid in _referenced(dataset) - ours:
            assert images[uid].study_uid == world.study
            header = pydicom.dcmread(
                world.house.archive.objects.blobs.path(images[uid].digest), stop_before_pixels=True
            )
            mates = {owner.number, world.a.number} if clash.kind.former else {owner.number}
            if clash.kind.name.startswith("unmerged"):
                mates.add(world.a.number)
            assert header.PatientID in mates


def _check(house: House, clash: Clash) -> None:
    world = World(house, clash.number, clash.variant)
    _run(world, clash)
    shown = world.shown()
    predictions = predictions_of_study(house.archive, world.study)
    listed = {each.study.uid: each for each in worklist(house.archive, since=0, limit=1000).entries}
    if clash.end in {REFUSED, HIDDEN}:
        assert shown == []
    else:
        assert {dataset.Modality for dataset, _ in shown} == {"SEG", "SR", "OT"}
        _check_shown(world, clash, {"A": world.a, "B": world.b, "C": world.c}[clash.end])
    if clash.end == REFUSED:
        assert {each.state for each in predictions} == {"failed"}
        assert all(each.problem for each in predictions)
        assert listed[world.study].state == "failed"
    elif clash.end == HIDDEN:
        assert world.study not in listed
    assert "started" not in {each.state for each in predictions}
    on_show = {row.uid for _, row in shown}
    of_study = _due(house) & _ours(world)
    assert of_study <= on_show or clash.kind.name == "its term ended"


def _ours(world: World) -> set[str]:
    query = sa.select(INSTANCE.c.uid).where(INSTANCE.c.study_uid == world.study)
    with world.house.archive.database.read() as connection:
        return set(connection.execute(query).scalars())


def _name(clash: Clash) -> str:
    return f"{clash.kind.name}, {clash.moment}, {clash.variant}"


@pytest.mark.parametrize("clash", IN_CI, ids=_name)
def test_a_clash_ends_under_the_right_patient_or_is_refused(house: House, clash: Clash) -> None:
    _check(house, clash)


@pytest.mark.gate
@pytest.mark.parametrize("clash", [each for each in ALL if each not in IN_CI], ids=_name)
def test_so_does_every_other_clash(house: House, clash: Clash) -> None:
    _check(house, clash)


def test_there_are_two_hundred() -> None:
    assert len(ALL) >= 200


def test_a_withdrawn_result_is_sent_to_nobody_and_leaves_the_hub(house: House) -> None:
    world = World(house, 1001, 0)
    world.receive(world.a)
    world.run(with_door=True)
    first = {row.uid for _, row in world.shown()}
    assert len(first) == 3
    assert first <= _due(house)
    (prediction,) = predictions_of_study(house.archive, world.study)
    told = {each.lineage_id for each in due_messages(house.archive, "hl7")}
    assert prediction.lineage_id in told
    # The door lets SEG and SR through, and no pictures.
    assert len(_in_hub(world)) == SLICES + 2
    world.reject("113038", range(SLICES, SLICES + 1))
    assert world.shown() == []
    assert not first & _due(house)
    told = {each.lineage_id for each in due_messages(house.archive, "hl7")}
    assert prediction.lineage_id not in told
    (withdrawn,) = predictions_of_study(house.archive, world.study)
    assert (withdrawn.state, "it rests on an image" in withdrawn.problem) == ("failed", True)
    world.run(with_door=True)
    second = {row.uid for _, row in world.shown()}
    assert len(second) == 3
    assert second <= _due(house)
    assert not first & second
    assert len(_in_hub(world)) == SLICES - 1 + 2
    actions = [each.event.action for each in entries(house.archive.database)]
    assert actions.count("result_withdrawn") >= 1


def test_nothing_is_left_of_a_study_that_went_meanwhile(house: House) -> None:
    world = World(house, 1002, 0)
    world.receive(world.a)
    assert world.run(world.retire)
    with house.archive.database.read() as connection:
        left = connection.execute(sa.select(STUDY.c.uid).where(STUDY.c.uid == world.study)).all()
    assert left == []
    assert _ours(world) == set()


def test_a_study_that_went_and_comes_again_has_jobs_of_its_own(house: House) -> None:
    world = World(house, 1005, 0)
    world.receive(world.a)
    first = job_stem(house.archive, world.study)
    assert job_stem(house.archive, world.study) == first
    world.retire()
    world.receive(world.b, seed=3)
    assert job_stem(house.archive, world.study) != first


def test_a_study_that_never_rests_is_given_up_with_a_reason(house: House) -> None:
    world = World(house, 1003, 0)
    world.receive(world.a)
    named = iter("VWXYZ")

    def rename() -> None:
        world.tell(Person(world.a.number, f"Probe^{next(named)}"))

    world.run(rename, every_time=True)
    (failed,) = predictions_of_study(house.archive, world.study)
    assert (failed.state, "known otherwise" in failed.problem) == ("failed", True)
    assert next(named) == "Y"  # predicted once, and twice again
    assert world.shown() == []
    world.run()
    assert {str(each.PatientName) for each, _ in world.shown()} == {"Probe^X"}


def test_an_objects_study_is_checked_by_its_bytes(house: House) -> None:
    world = World(house, 1004, 0)
    world.receive(world.a)
    world.run()
    (made,) = predictions_of_study(house.archive, world.study)
    other = part10_of(slice_of(1, PatientID=world.a.number, PatientName=world.a.name))
    wanted = dataclasses.replace(
        made, lineage_id=LineageId("prediction-1004"), series_digest="4" * 64, state="started"
    )
    start_prediction(house.archive, wanted)
    result = OutgoingResult(content=other, lineage_id=LineageId("result-1004-sc"))
    with pytest.raises(StudyChanged, match="was not published"):
        publish(house.archive, wanted, [result], destinations=[])


def _due(house: House) -> set[str]:
    return {each.instance_uid for each in due_deliveries(house.archive, limit=10**6)}


def _in_hub(world: World) -> list[str]:
    with world.house.hub.database.read() as connection:
        return list(
            connection.execute(
                sa.select(HUB_INSTANCE.c.uid)
                .join(HUB_SERIES, HUB_SERIES.c.uid == HUB_INSTANCE.c.series_uid)
                .where(
                    HUB_SERIES.c.study_uid == world.house.vault.uid(world.study),
                    HUB_INSTANCE.c.withdrawn == "",
                )
            ).scalars()
        )
