"""Who is who: identities are linked and unlinked by messages, never rewritten.

A patient is (patient id, issuer). A merge links one identity to another; `survivor` of every
identity and `patient` of every study are worked out from the links, so an unmerge restores both.
Whatever belongs to a changed study goes through the door again: its revision counts up.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from sightline.archive.rejections import show_again
from sightline.archive.withdrawing import withdraw_fallen
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import PATIENT, PREDICTION, STUDY
from sightline.catalog.database import insert_new
from sightline.errors import Refused
from sightline.values.clinical import (
    Correction,
    Demographics,
    Merge,
    PatientChange,
    Person,
    Unmerge,
    as_patient,
)
from sightline.values.identity import Patient, StudyUid
from sightline.values.names import name_key

_UNLINK_FIRST = "Unmerge first (ADT A37), then merge as it should be."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """Who changes something, and why; both go into the audit log."""

    actor: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """What a change touched.

    Attributes:
        patients: row ids whose person is now another one.
        studies: that now belong to another identity.
    """

    patients: tuple[int, ...] = ()
    studies: tuple[StudyUid, ...] = ()


def enter_patient(connection: sa.Connection, patient: Patient) -> int:
    """Return the row of an identity, making it where it is new; what is there stays."""
    insert_new(connection, PATIENT, dataclasses.asdict(patient))
    key: int = connection.execute(
        sa.select(PATIENT.c.id).where(
            PATIENT.c.patient_id == patient.patient_id, PATIENT.c.issuer == patient.issuer
        )
    ).scalar_one()
    return key


def apply_change(connection: sa.Connection, change: PatientChange, occasion: Occasion) -> Changed:
    """Apply what a message says of identities, with its audit entry, in the caller's transaction.

    A repeat changes nothing and records nothing.

    Raises:
        Refused: An identity is missing, or the links would contradict each other.
    """
    match change:
        case Correction(person=person):
            _correct(connection, person, occasion)
            return Changed()
        case Merge(survivor=survivor, merged=merged):
            return _merge(connection, survivor=survivor, merged=merged, occasion=occasion)
        case Unmerge(one=one, other=other):
            return _unmerge(connection, one=one, other=other, occasion=occasion)


def survivor_of(connection: sa.Connection, patient: int) -> int:
    """Return the row that stands for a patient after merges: itself where there were none."""
    query = sa.select(sa.func.coalesce(PATIENT.c.survivor, PATIENT.c.id))
    found: int = connection.execute(query.where(PATIENT.c.id == patient)).scalar_one()
    return found


def _correct(connection: sa.Connection, person: Person, occasion: Occasion) -> None:
    _must_be_named(person)
    is_new = insert_new(connection, PATIENT, dataclasses.asdict(as_patient(person)))
    row = enter_patient(connection, as_patient(person))
    changed = _update(connection, row, person.demographics)
    if is_new:
        _record(connection, occasion, "patient_entered", patients=[row])
    elif changed:
        _try_refused_again(connection, row)
        _record(connection, occasion, "patient_corrected", patients=[row], note=", ".join(changed))


def _try_refused_again(connection: sa.Connection, row: int) -> None:
    """Let what was refused of a patient be predicted again: it may have been for the name."""
    refused = sa.select(PREDICTION.c.study_uid).where(PREDICTION.c.state == "failed")
    theirs = sa.select(STUDY.c.uid).where(
        STUDY.c.patient == survivor_of(connection, row), STUDY.c.uid.in_(refused)
    )
    for uid in connection.execute(theirs).scalars().all():
        _go_down_the_road_again(connection, StudyUid(uid))


def _update(connection: sa.Connection, row: int, said: Demographics) -> list[str]:
    before = connection.execute(sa.select(PATIENT).where(PATIENT.c.id == row)).one()._mapping  # noqa: SLF001 - its public way
    changed = {
        name: value
        for name, value in dataclasses.asdict(said).items()
        if value is not None and before[name] != value
    }
    if changed:
        keys = {"name_key": name_key(changed["name"])} if "name" in changed else {}
        connection.execute(PATIENT.update().where(PATIENT.c.id == row).values(**changed, **keys))
    return sorted(changed)


def _merge(
    connection: sa.Connection, *, survivor: Person, merged: Person, occasion: Occasion
) -> Changed:
    into, row = _row_of(connection, survivor), _row_of(connection, merged)
    if into == row:
        raise Refused(
            "an identity cannot be merged into itself",
            hint="PID-3 and MRG-1 name the same patient id and issuer.",
        )
    _correct(connection, survivor, occasion)
    before = _link(connection, row)
    if before == into:
        return Changed()
    if before is not None:
        raise Refused("this identity is merged into another one already", hint=_UNLINK_FIRST)
    if row in _chain(connection, into):
        raise Refused("the surviving identity is merged into this one", hint=_UNLINK_FIRST)
    connection.execute(PATIENT.update().where(PATIENT.c.id == row).values(merged_into=into))
    return _settle(connection, [row], _Merged(occasion, "patient_merged", (row, into)))


def _unmerge(
    connection: sa.Connection, *, one: Person, other: Person, occasion: Occasion
) -> Changed:
    first, second = _row_of(connection, one), _row_of(connection, other)
    for row, into in ((first, second), (second, first)):
        if _link(connection, row) == into:
            connection.execute(PATIENT.update().where(PATIENT.c.id == row).values(merged_into=None))
            done = _Merged(occasion, "patient_unmerged", (row, into))
            return _settle(connection, [row], done)
    raise Refused(
        "these two identities are not merged with each other",
        hint="An unmerge names the two identities that a merge named.",
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Merged:
    occasion: Occasion
    action: str
    rows: tuple[int, int]


def _settle(connection: sa.Connection, changed: Sequence[int], done: _Merged) -> Changed:
    """Work out anew who stands for the changed identities, and whose their studies are."""
    below = _below(connection, changed)
    for row in below:
        root = _chain(connection, row)[-1]
        connection.execute(
            PATIENT.update()
            .where(PATIENT.c.id == row)
            .values(survivor=None if root == row else root)
        )
    root = _chain(connection, changed[0])[-1]
    moved = connection.execute(
        sa.select(STUDY.c.uid).where(STUDY.c.sent_patient.in_(below), STUDY.c.patient != root)
    ).scalars()
    studies = tuple(StudyUid(uid) for uid in moved)
    for uid in studies:
        connection.execute(STUDY.update().where(STUDY.c.uid == uid).values(patient=root))
        _go_down_the_road_again(connection, uid)
    _withdraw_what_fell(connection, {root, *(_chain(connection, row)[-1] for row in done.rows)})
    _record(connection, done.occasion, done.action, patients=done.rows, studies=studies)
    return Changed(patients=tuple(below), studies=studies)


def _withdraw_what_fell(connection: sa.Connection, persons: Iterable[int]) -> None:
    """Take back the results that these persons' studies do not bear any more."""
    theirs = connection.execute(sa.select(STUDY.c.uid).where(STUDY.c.patient.in_(persons)))
    for uid in map(StudyUid, theirs.scalars().all()):
        if withdraw_fallen(connection, uid):
            show_again(connection, uid)
            _go_down_the_road_again(connection, uid)


def _go_down_the_road_again(connection: sa.Connection, study_uid: StudyUid) -> None:
    # Not newly received, so nothing waits: the door is next.
    connection.execute(
        STUDY.update().where(STUDY.c.uid == study_uid).values(revision=STUDY.c.revision + 1)
    )


def _below(connection: sa.Connection, rows: Iterable[int]) -> list[int]:
    """Return these identities and all that were merged into them, at any distance."""
    found = list(rows)
    for row in found:
        query = sa.select(PATIENT.c.id).where(PATIENT.c.merged_into == row)
        found += connection.execute(query).scalars()
    return found


def _chain(connection: sa.Connection, row: int) -> list[int]:
    """Return an identity, the one it was merged into, and so on to the surviving one."""
    chain = [row]
    while (following := _link(connection, chain[-1])) is not None:
        chain.append(following)
    return chain


def _link(connection: sa.Connection, row: int) -> int | None:
    query = sa.select(PATIENT.c.merged_into).where(PATIENT.c.id == row)
    found: int | None = connection.execute(query).scalar_one()
    return found


def _row_of(connection: sa.Connection, person: Person) -> int:
    _must_be_named(person)
    return enter_patient(connection, as_patient(person))


def _must_be_named(person: Person) -> None:
    if not person.patient_id:
        raise Refused(
            "the message names no patient id where it must",
            hint="PID-3, and MRG-1 of a merge, carry the patient id and its assigning authority.",
        )


def _record(
    connection: sa.Connection,
    occasion: Occasion,
    action: str,
    *,
    patients: Iterable[int],
    studies: Iterable[StudyUid] = (),
    note: str = "",
) -> None:
    objects = [f"patient:{row}" for row in patients] + [f"study:{uid}" for uid in studies]
    append(
        connection,
        Event(
            actor=occasion.actor,
            action=action,
            objects=tuple(objects),
            reason=f"{occasion.reason}: {note}" if note else occasion.reason,
        ),
    )
