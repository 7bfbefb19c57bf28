"""List what the door holds back, and why."""

import datetime as dt
from collections import Counter
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.archive.studies import holdings
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.values.arrival import Holding

APP = new_verb("List what the door holds back, and why.")


@APP.command("list")
def list_held(
    ctx: typer.Context,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
) -> None:
    """List studies in quarantine: one line a reason."""
    held = [each for each in _held(ctx) if reason in {None, each.reason}]
    counts = Counter((each.study_uid, each.reason, each.detail) for each in held)
    print_table(
        ("study", "instances", "reason", "detail"),
        [(study, count, code, detail) for (study, code, detail), count in counts.items()],
    )


@APP.command()
def show(
    ctx: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID of the archive.")],
) -> None:
    """List what is held of one study, instance by instance."""
    print_table(
        ("series", "instance", "reason", "held at", "detail"),
        [
            (each.series_uid, each.instance_uid, each.reason, _time(each.held_at), each.detail)
            for each in _held(ctx)
            if each.study_uid == study
        ],
    )


def _held(ctx: typer.Context) -> list[Holding]:
    archive = Archive.open(settings_of(ctx))
    try:
        return holdings(archive)
    finally:
        archive.close()


def _time(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M")
