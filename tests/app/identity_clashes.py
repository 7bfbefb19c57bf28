"""Clashes of identity while a study is predicted: what changes, when, and whose the result is then.

A study of patient A is received. What the kind says changes before its job begins, between its
prediction and its publication, or after that; jobs run again where the study has a new revision.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pydicom
import sqlalchemy as sa

from sightline.app.study_job import StudyJob
from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.receiving import keep
from sightline.archive.retention import Due, retire
from sightline.catalog.archive_tables import INSTANCE, STUDY
from sightline.deid.decisions import release
from sightline.deid.hub_door import HubDoor
from sightline.deid.vault import Vault
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.hub.models import change_states
from sightline.intake.mllp import Hl7Receiver
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import Digest, SeriesUid, StudyUid
from sightline.values.model import ReleaseRecord
from tests.hubs import CLASSES, add_trained
from tests.instances import ROOT, part10_of, slice_of
from tests.mllp import code_of, message
from tests.notes import note
from tests.serve.test_predicting import Marker

Moment: TypeAlias = Literal["before claim", "before publish", "after publish"]
MOMENTS: tuple[Moment, ...] = ("before claim", "before publish", "after publish")
VARIANTS = 3
SLICES = 4
RECIPE = """
{name: chest, title: T, accepts: {modality: CT, min_slices: 2},
 task: {classes: [ground_glass, consolidation]}}
"""
REFUSED, HIDDEN = "refused", "hidden"


@dataclasses.dataclass(frozen=True)
class Person:
    """A made-up person; the number is unlike all others' unless a kind says so."""

    number: str
    name: str
    birth_date: str = "19500101"
    sex: str = "F"

    @property
    def pid(self) -> str:
        family, _, given = self.name.partition("^")
        return f"{family}^{given}||{self.birth_date}|{self.sex}"


class House:
    """An archive, a hub and a live model that marks a voxel in every slice."""

    def __init__(self, folder: Path, fill: Callable[[Hub], None]) -> None:
        self.settings = Settings(
            data_dir=folder / "data",
            pacs="PACS@127.0.0.1:1",
            results_hl7="127.0.0.1:1",
            default_issuers="HOUSE=EAST",
        )
        self.archive, self.hub = Archive.open(self.settings), Hub.open(self.settings)
        fill(self.hub)
        learned = make_version(self.hub, "chest", Criteria(modality="CT", classes=CLASSES))
        model = add_trained(self.hub, "chest", collection=learned.label, recipe=RECIPE)
        live = ReleaseRecord(
            model_id=model.lineage_id,
            from_state="candidate",
            to_state="live",
            approver="A",
            reason="test",
            at="2026-01-02T03:04:05+00:00",
        )
        change_states(self.hub, [live])
        door = HubDoor.open(self.settings)
        self.job = StudyJob(self.settings, self.archive, self.hub, door, Marker(self.hub))
        self.hl7 = Hl7Receiver(self.archive, self.settings)
        self.vault = Vault.open(self.settings)
        self.said = 0


class World:
    """One case: its persons, its study, and what can happen to them.

    Variants: senders that name no issuer; that name one; and whose issuer is the receiver's word.
    """

    def __init__(self, house: House, number: int, variant: int) -> None:
        self.house, self.variant = house, variant
        self.issuer = ("", "NORTH", "EAST")[variant]
        self.is_named = variant == 1
        self.a, self.b, self.c = (
            Person(f"{each}{number}", f"Probe{each}^{each}", f"19{decade}0101")
            for each, decade in (("A", 50), ("B", 60), ("C", 70))
        )
        self.study = StudyUid(f"{ROOT}.43.{number}")
        self.other_study = StudyUid(f"{ROOT}.44.{number}")

    def series(self, which: int = 0, study_uid: str = "") -> SeriesUid:
        return SeriesUid(f"{study_uid or self.study}.{which}")

    def receive(
        self,
        person: Person,
        *,
        numbers: range = range(1, SLICES + 1),
        study_uid: str = "",
        series: str = "",
        seed: int = 0,
    ) -> None:
        study_uid = study_uid or self.study
        series = series or self.series(study_uid=study_uid)
        for each in numbers:
            dataset = slice_of(
                each,
                StudyInstanceUID=study_uid,
                SeriesInstanceUID=series,
                SOPInstanceUID=f"{study_uid}.9.{series.rpartition('.')[2]}.{each}",
                PatientID=person.number,
                PatientName=person.name,
                PatientBirthDate=person.birth_date,
                PatientSex=person.sex,
            )
            dataset.PixelData = slice_of(each + 1000 * seed).PixelData
            if self.is_named:
                dataset.IssuerOfPatientID = self.issuer
            issuer = "EAST" if self.variant == 2 else ""
            keep(self.house.archive, part10_of(dataset), Source(name="t", default_issuer=issuer))

    def reject(self, code: str, numbers: range = range(1, SLICES + 1)) -> None:
        uids = [f"{self.study}.9.0.{each}" for each in numbers]
        patient = self.a.number + (f".{self.issuer}" if self.is_named else "")
        content = note(
            code,
            study_uid=self.study,
            patient_id=patient,
            uid=f"{self.study}.8",
            named={self.study: uids},
        )
        issuer = "EAST" if self.variant == 2 else ""
        keep(self.house.archive, content, Source(name="t", default_issuer=issuer))

    def release_held(self) -> None:
        held = holdings(self.house.archive, study_uid=self.study)
        assert held
        for each in held:
            release(self.house.archive, each.id, actor="anna", reason="looked at")

    def say(self, kind: str, *segments: str) -> None:
        self.house.said += 1
        content = message(
            f"ADT^{kind}",
            *segments,
            control_id=str(self.house.said),
            facility="HOUSE" if self.variant == 2 else "ELSEWHERE",
        )
        assert code_of(self.house.hl7.receive(content)) == "AA"

    def id_of(self, person: Person) -> str:
        return f"{person.number}^^^{self.issuer if self.is_named else ''}^MR"

    def merge(self, merged: Person, into: Person, *, kind: str = "") -> None:
        kind = kind or ("A40", "A34", "A47")[self.variant]
        self.say(kind, f"PID|||{self.id_of(into)}||{into.pid}", f"MRG|{self.id_of(merged)}")

    def unmerge(self, one: Person, other: Person) -> None:
        self.say("A37", f"PID|||{self.id_of(one)}", f"PID|||{self.id_of(other)}")

    def tell(self, person: Person) -> None:
        self.say("A08", f"PID|||{self.id_of(person)}||{person.pid}")

    def retire(self) -> None:
        retire(
            self.house.archive,
            Due(
                study_uid=self.study,
                rule="all",
                instances=SLICES,
                size_bytes=1,
                last_received_at=0,
                only_below_free_bytes=None,
                kept_because="",
            ),
        )

    def run(
        self,
        change: Callable[[], None] | None = None,
        *,
        every_time: bool = False,
        with_door: bool = False,
    ) -> bool:
        """Run the study's job; `change` happens before it publishes. Tell whether it happened."""
        has_changed = False

        def step(name: str, function: Callable[..., Any], /, **arguments: Any) -> Any:  # noqa: ANN401 - any JSON value
            nonlocal has_changed
            if name in {"door", "records"} and not with_door:
                return None
            if change and (every_time or not has_changed) and name.startswith("publish"):
                has_changed = True
                change()
            said = function(**json.loads(json.dumps(arguments)))
            return json.loads(json.dumps(said))

        self.house.job(step, study_uid=self.study, revision=1)
        with self.house.archive.database.write() as connection:
            connection.execute(STUDY.update().values(completed_revision=STUDY.c.revision))
        return has_changed

    def revision(self) -> tuple[object, ...]:
        """Return what a job runs once for: a revision of a study that came at a time."""
        query = sa.select(STUDY.c.revision, STUDY.c.first_received_at)
        with self.house.archive.database.read() as connection:
            return tuple(connection.execute(query.where(STUDY.c.uid == self.study)).one())

    def shown(self) -> list[tuple[pydicom.Dataset, sa.Row[Any]]]:
        """Return every object of ours that is shown, with its row."""
        query = sa.select(INSTANCE).join(STUDY, STUDY.c.uid == INSTANCE.c.study_uid)
        query = query.where(
            INSTANCE.c.study_uid.in_([self.study, self.other_study]),
            INSTANCE.c.lineage_id.is_not(None),
            INSTANCE.c.rejected == "",
            STUDY.c.is_rejected.is_(sa.false()),
        )
        with self.house.archive.database.read() as connection:
            rows = connection.execute(query).all()
        objects = self.house.archive.objects
        return [(pydicom.dcmread(io.BytesIO(objects.get(Digest(r.digest)))), r) for r in rows]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What happens, and whose the results are in the end.

    Attributes:
        ends: `A`, `B` or `C`; REFUSED with a reason; HIDDEN with the study.
        ends_at: the same where it is otherwise at that moment.
        former: whom objects may name that were published before the change.
        names: how the patient is known in the end, where not as at first.
    """

    name: str
    change: Callable[[World], None]
    ends: str
    arrive: Callable[[World], None] = lambda world: world.receive(world.a)
    ends_at: dict[Moment, str] = dataclasses.field(default_factory=dict)
    former: str = ""
    names: Person | None = None


@dataclasses.dataclass(frozen=True)
class Clash:
    number: int
    kind: Kind
    moment: Moment
    variant: int

    @property
    def end(self) -> str:
        return self.kind.ends_at.get(self.moment, self.kind.ends)


CORRECTED = Person("", "Corrected^Name", "19551231", "M")


def _corrected(person: Person, **said: str) -> Person:
    return dataclasses.replace(person, **said)


def _correct(world: World) -> None:
    world.tell(dataclasses.replace(CORRECTED, number=world.a.number))


def _merge(world: World) -> None:
    world.merge(world.a, world.b)


def _chain(world: World) -> None:
    world.merge(world.a, world.b)
    world.merge(world.b, world.c)


def _there_and_back(world: World) -> None:
    world.merge(world.a, world.b)
    world.unmerge(world.a, world.b)


def _merge_and_correct(world: World) -> None:
    world.merge(world.a, dataclasses.replace(CORRECTED, number=world.b.number))


def _merged_before(world: World) -> None:
    world.receive(world.a)
    world.merge(world.a, world.b)


def _both_in_one_series(world: World) -> None:
    world.receive(world.a)
    world.merge(world.b, world.a)
    world.receive(world.b, numbers=range(SLICES + 1, SLICES + 3))


def _replace(world: World) -> None:
    world.receive(world.a, numbers=range(2, 3), seed=7)
    world.release_held()


def _replace_by_other(world: World) -> None:
    world.receive(world.b, numbers=range(2, 3), seed=7)
    world.release_held()


def _other_beside(world: World) -> None:
    world.receive(world.b, numbers=range(SLICES + 1, SLICES + 3))


def _other_within(world: World) -> None:
    _other_beside(world)
    world.release_held()


def _other_series(world: World) -> None:
    world.receive(world.b, series=world.series(1))
    world.release_held()


def _reused(world: World) -> None:
    world.retire()
    world.receive(world.b, seed=3)


def _series_uid_reused(world: World) -> None:
    uids = range(SLICES + 1, 2 * SLICES + 1)
    world.receive(world.b, numbers=uids, study_uid=world.other_study, series=world.series())


def _number_of_another(world: World) -> None:
    _another_first(world, world.a.number)
    world.receive(world.a)


def _another_first(world: World, number: str) -> None:
    first = Person(number, "Somebody^Else", "19010101", "M")
    world.receive(first, study_uid=world.other_study)


def _no_number(world: World) -> None:
    nobody = Person("", f"Unknown^{world.study}", "")
    world.receive(nobody)


def _two_without_number(world: World) -> None:
    _no_number(world)
    world.receive(Person("", "Unknown^Second", ""), numbers=range(SLICES + 1, SLICES + 2))


def _nothing(world: World) -> None:
    """Change nothing."""


def _late(world: World) -> None:
    world.receive(world.a, numbers=range(SLICES + 1, SLICES + 3))


def _rejects(*codes: str, numbers: range = range(1, SLICES + 1)) -> Callable[[World], None]:
    return lambda world: world.reject(codes[world.variant % len(codes)], numbers)


KINDS = (
    Kind(name="nothing", change=_nothing, ends="A"),
    Kind(name="late images", change=_late, ends="A"),
    Kind(name="merged", change=_merge, ends="B", former="A"),
    Kind(name="merged twice", change=_chain, ends="C", former="A"),
    Kind(name="merged and unmerged", change=_there_and_back, ends="A"),
    Kind(
        name="merged into one known otherwise",
        change=_merge_and_correct,
        ends="B",
        former="A",
        names=CORRECTED,
    ),
    Kind(
        name="unmerged",
        arrive=_merged_before,
        change=lambda world: world.unmerge(world.a, world.b),
        ends="A",
    ),
    Kind(
        name="unmerged and merged into a third",
        arrive=_merged_before,
        change=lambda world: (
            world.unmerge(world.a, world.b),
            world.merge(world.a, world.c),
        )[0],
        ends="C",
    ),
    Kind(name="corrected", change=_correct, ends="A", former="A", names=CORRECTED),
    Kind(
        name="rejected",
        change=_rejects("113037", "113038", "113001"),
        ends=HIDDEN,
    ),
    Kind(name="its term ended", change=_rejects("113039"), ends=HIDDEN),
    Kind(
        name="one image rejected",
        change=_rejects("113038", "113001", "113037", numbers=range(SLICES, SLICES + 1)),
        ends="A",
    ),
    Kind(
        name="rejected and merged",
        change=lambda world: (world.reject("113038"), _merge(world))[0],
        ends=HIDDEN,
    ),
    Kind(name="an image replaced", change=_replace, ends="A"),
    Kind(name="an image replaced by another's", change=_replace_by_other, ends=REFUSED),
    Kind(name="another's images held beside", change=_other_beside, ends="A"),
    Kind(
        name="another's images let into the series",
        change=_other_within,
        ends=REFUSED,
        ends_at={"before publish": "A", "after publish": "A"},
    ),
    Kind(name="another's series let into the study", change=_other_series, ends="A"),
    Kind(name="the study UID reused for another", change=_reused, ends="B"),
    Kind(name="the series UID reused for another", change=_series_uid_reused, ends="A"),
    Kind(
        name="two merged patients in a series, unmerged",
        arrive=_both_in_one_series,
        change=lambda world: world.unmerge(world.b, world.a),
        ends=REFUSED,
    ),
    Kind(
        name="the number of another",
        arrive=_number_of_another,
        change=_nothing,
        ends=REFUSED,
    ),
    Kind(
        name="the number of another, and a message that tells whose it is",
        arrive=_number_of_another,
        change=lambda world: world.tell(world.a),
        ends="A",
    ),
    Kind(
        name="two names without a number", arrive=_two_without_number, change=_nothing, ends=REFUSED
    ),
)


def clashes() -> Iterator[Clash]:
    """Return every kind at every moment with every variant."""
    number = 0
    for variant in range(VARIANTS):
        for kind in KINDS:
            for moment in MOMENTS:
                number += 1
                yield Clash(number, kind, moment, variant)
