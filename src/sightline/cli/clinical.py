"""List messages of other systems, what waits to be tied, and what the PACS took back."""

import datetime as dt
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.archive.clinical import messages, waiting_records
from sightline.archive.rejections import rejected
from sightline.archive.ties import load_rules, tie_waiting
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.values.identity import StudyUid
from sightline.values.rejection import TITLES

APP = new_verb("List messages of other systems, what waits to be tied, what was taken back.")


@APP.command("messages")
def list_messages(
    ctx: typer.Context,
    newest: Annotated[int, typer.Option(min=1, help="How many of the newest messages.")] = 100,
) -> None:
    """List the newest messages, oldest first; each is kept whole under its digest."""
    archive = Archive.open(settings_of(ctx))
    try:
        kept = messages(archive, newest=newest)
    finally:
        archive.close()
    print_table(
        ("received", "sender", "kind", "control id", "state", "problem", "digest"),
        [
            (
                _time(each.received_at),
                each.sender,
                each.kind,
                each.control_id,
                each.state,
                each.problem,
                each.digest,
            )
            for each in kept
        ],
    )


@APP.command("waiting")
def list_waiting(ctx: typer.Context) -> None:
    """List orders, reports and values that no study was found for, oldest first, and why."""
    archive = Archive.open(settings_of(ctx))
    try:
        waiting = waiting_records(archive)
    finally:
        archive.close()
    print_table(
        ("kind", "patient", "issuer", "accession", "date", "title", "why"),
        [
            (
                each.record.kind,
                each.patient.patient_id if each.patient else "",
                each.patient.issuer if each.patient else "",
                each.record.accession_number,
                each.record.date,
                each.record.title,
                each.waiting,
            )
            for each in waiting
        ],
    )


@APP.command("tie")
def tie_all(ctx: typer.Context) -> None:
    """Try the rules on all that waits, after clinical-rules.yaml was changed."""
    settings = settings_of(ctx)
    archive = Archive.open(settings)
    try:
        tied = tie_waiting(archive, load_rules(settings))
    finally:
        archive.close()
    print(f"{tied} tied")


@APP.command("rejected")
def list_rejected(
    ctx: typer.Context,
    study: Annotated[str | None, typer.Option(help="Only of this Study Instance UID.")] = None,
) -> None:
    """List what the PACS took back, and results withdrawn; kept on disk and shown nowhere."""
    archive = Archive.open(settings_of(ctx))
    try:
        taken_back = rejected(archive, StudyUid(study) if study else None)
    finally:
        archive.close()
    print_table(
        ("study", "instance", "code", "title", "arrived", "note"),
        [
            (
                each.study_uid,
                each.instance_uid,
                each.code,
                TITLES[each.code],
                "yes" if each.has_arrived else "not yet",
                each.note_uid,
            )
            for each in taken_back
        ],
    )


def _time(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M")
