"""What other systems say: every message is kept, and what it says is applied or refused whole."""

import dataclasses
from collections.abc import Callable

import sqlalchemy as sa

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.patients import Occasion, apply_change, enter_patient
from sightline.archive.ties import tie, tie_records_of
from sightline.catalog.archive_tables import (
    CLINICAL_MESSAGE,
    CLINICAL_RECORD,
    CLINICAL_TIE,
    PATIENT,
)
from sightline.errors import BadMessage, Refused, SightlineError
from sightline.values.clinical import Clinical, ClinicalRecord, as_patient
from sightline.values.identity import Digest, Patient, StudyUid
from sightline.values.tie_rules import TieRules

_log = log.get("archive")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One message as it came.

    Attributes:
        sender: such as `ADT@NORTH`, or `import`.
        control_id: by which its sender knows it; empty where it has none.
        kind: such as `ADT^A40`, `fhir` or `csv`.
    """

    content: bytes
    sender: str
    control_id: str
    kind: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KeptMessage:
    """A message that was kept.

    Attributes:
        state: `taken`, or `refused` for the reason in `problem`.
        received_at: seconds since the epoch.
    """

    digest: Digest
    sender: str
    control_id: str
    kind: str
    received_at: float
    state: str
    problem: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KeptRecord:
    """A record of the archive, with the person it is about.

    Attributes:
        rule: how it was tied to the study it was asked for; empty otherwise.
        waiting: why it is tied to no study; empty where it is tied.
    """

    record: ClinicalRecord
    patient: Patient | None
    sender: str
    received_at: float
    rule: str
    waiting: str


def take(
    archive: Archive, letter: Letter, read: Callable[[], Clinical], *, rules: TieRules
) -> bool:
    """Keep a message and apply what it says; return False for a repeat, which changes nothing.

    When this returns, message, changes and audit entries survive power loss. A message that cannot
    be read or applied is kept too, as refused.

    Args:
        archive: the identified store.
        letter: the message.
        read: reads it.
        rules: how records find their study.

    Raises:
        BadMessage: It cannot be read.
        Refused: What it says contradicts what is known.
        OSError: It could not be made durable.
    """
    digest = archive.objects.put(letter.content)
    try:
        said = read()
        with archive.database.write() as connection:
            if _is_repeat(connection, letter, digest):
                return False
            message = _enter_message(connection, letter, digest)
            _apply(connection, said, _From(letter, digest, message, rules))
    except (BadMessage, Refused) as error:
        refuse(archive, letter, error)
        raise
    _log.info("message_taken", sender=letter.sender, kind=letter.kind, digest=digest[:12])
    return True


def refuse(archive: Archive, letter: Letter, error: SightlineError) -> None:
    """Keep a message of which nothing is done, with the reason.

    Raises:
        OSError: It could not be made durable.
    """
    digest = archive.objects.put(letter.content)
    with archive.database.write() as connection:
        _enter_message(connection, letter, digest, problem=error.problem)
    _log.warning("message_refused", digest=digest[:12], kind=letter.kind, why=error.problem)


def messages(archive: Archive, *, newest: int = 100) -> list[KeptMessage]:
    """List the newest messages, oldest first."""
    query = sa.select(CLINICAL_MESSAGE).order_by(CLINICAL_MESSAGE.c.id.desc()).limit(newest)
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
    return [
        KeptMessage(
            digest=Digest(row.digest),
            sender=row.sender,
            control_id=row.control_id,
            kind=row.kind,
            received_at=row.received_at,
            state=row.state,
            problem=row.problem,
        )
        for row in reversed(rows)
    ]


def waiting_records(archive: Archive, *, limit: int = 1000) -> list[KeptRecord]:
    """List what is tied to no study, oldest first."""
    query = _records().where(CLINICAL_RECORD.c.waiting != "")
    with archive.database.read() as connection:
        rows = connection.execute(query.order_by(CLINICAL_RECORD.c.id).limit(limit)).all()
    return [_kept(row, rule="") for row in rows]


def records_of_study(archive: Archive, study_uid: StudyUid) -> list[KeptRecord]:
    """List what is tied to a study: orders, reports, then values, each by date."""
    query = (
        _records()
        .add_columns(CLINICAL_TIE.c.rule)
        .join(CLINICAL_TIE, CLINICAL_TIE.c.record == CLINICAL_RECORD.c.id)
        .where(CLINICAL_TIE.c.study_uid == study_uid)
        .order_by(CLINICAL_RECORD.c.date, CLINICAL_RECORD.c.id)
    )
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
    order = ("order", "report", "observation")
    kept = [_kept(row, rule=row.rule) for row in rows]
    return sorted(kept, key=lambda each: order.index(each.record.kind))


@dataclasses.dataclass(frozen=True, slots=True)
class _From:
    """Where something that is said comes from, and how its records find their study."""

    letter: Letter
    digest: Digest
    message: int
    rules: TieRules


def _apply(connection: sa.Connection, said: Clinical, origin: _From) -> None:
    letter = origin.letter
    occasion = Occasion(
        actor=f"message:{letter.sender}", reason=f"{letter.kind} message {origin.digest[:12]}"
    )
    for change in said.changes:
        changed = apply_change(connection, change, occasion)
        tie_records_of(connection, changed.patients, origin.rules)
    for record in said.records:
        row = _enter_record(connection, record, origin)
        tie(connection, row, origin.rules)


def _is_repeat(connection: sa.Connection, letter: Letter, digest: Digest) -> bool:
    """Tell whether the very same message was taken before; one that was refused may come again."""
    found = connection.execute(
        sa.select(CLINICAL_MESSAGE.c.id).where(
            CLINICAL_MESSAGE.c.control_id == letter.control_id,
            CLINICAL_MESSAGE.c.sender == letter.sender,
            CLINICAL_MESSAGE.c.digest == digest,
            CLINICAL_MESSAGE.c.state == "taken",
        )
    ).first()
    return found is not None


def _enter_message(
    connection: sa.Connection, letter: Letter, digest: Digest, *, problem: str = ""
) -> int:
    done = connection.execute(
        CLINICAL_MESSAGE.insert().values(
            digest=digest,
            sender=letter.sender,
            control_id=letter.control_id,
            kind=letter.kind,
            received_at=clock.timestamp(),
            state="refused" if problem else "taken",
            problem=problem,
        )
    )
    key = done.inserted_primary_key
    assert key is not None  # noqa: S101 - the insert above made it
    return int(key[0])


def _enter_record(connection: sa.Connection, record: ClinicalRecord, origin: _From) -> int:
    """Enter a record, in the place of an earlier one of the same key; return its row."""
    person = record.person
    row = {
        name: getattr(record, name)
        for name in ("accession_number", "study_uid", "date", "title", "text", "unit", "status")
    }
    row |= {
        "patient": enter_patient(connection, as_patient(person)) if person else None,
        "message": origin.message,
        "received_at": clock.timestamp(),
        "waiting": "new",
    }
    key = {"sender": origin.letter.sender, "kind": record.kind, "source_key": record.source_key}
    of_key = [CLINICAL_RECORD.c[name] == value for name, value in key.items()]
    known = connection.execute(sa.select(CLINICAL_RECORD.c.id).where(*of_key)).scalar()
    if known is not None:
        connection.execute(
            CLINICAL_RECORD.update().where(CLINICAL_RECORD.c.id == known).values(**row)
        )
        return int(known)
    done = connection.execute(CLINICAL_RECORD.insert().values(**key, **row))
    made = done.inserted_primary_key
    assert made is not None  # noqa: S101 - the insert above made it
    return int(made[0])


def _records() -> sa.Select[tuple[object, ...]]:
    """Select records with the person they are about, after merges."""
    sent = PATIENT.alias("sent")
    person = PATIENT.c.id == sa.func.coalesce(sent.c.survivor, sent.c.id)
    about = [PATIENT.c[name] for name in ("patient_id", "issuer", "name", "birth_date", "sex")]
    return (
        sa.select(CLINICAL_RECORD, *about)
        .join(sent, CLINICAL_RECORD.c.patient == sent.c.id, isouter=True)
        .join(PATIENT, person, isouter=True)
    )


def _kept(row: sa.Row[tuple[object, ...]], *, rule: str) -> KeptRecord:
    patient = row.patient_id is not None and Patient(
        patient_id=row.patient_id,
        issuer=row.issuer,
        name=row.name,
        birth_date=row.birth_date,
        sex=row.sex,
    )
    return KeptRecord(
        record=ClinicalRecord(
            kind=row.kind,
            source_key=row.source_key,
            person=None,
            accession_number=row.accession_number,
            study_uid=row.study_uid,
            date=row.date,
            title=row.title,
            text=row.text,
            unit=row.unit,
            status=row.status,
        ),
        patient=patient or None,
        sender=row.sender,
        received_at=row.received_at,
        rule=rule,
        waiting=row.waiting,
    )
