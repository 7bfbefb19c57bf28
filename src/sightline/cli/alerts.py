"""List time-critical findings that wait to be acknowledged, and acknowledge one."""

import datetime as dt
import getpass
from typing import Annotated

import typer

from sightline.archive.alerts import acknowledge, closed_alerts, open_alerts
from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, print_table, settings_of

APP = new_verb("List time-critical findings that wait to be acknowledged, and acknowledge one.")


@APP.command("list")
def list_alerts(
    ctx: typer.Context,
    closed: Annotated[
        bool, typer.Option("--closed", help="Those that ended, newest first.")
    ] = False,
) -> None:
    """List the alerts that nobody acknowledged yet, the longest-waiting first."""
    archive = Archive.open(settings_of(ctx))
    try:
        found = closed_alerts(archive) if closed else open_alerts(archive)
    finally:
        archive.close()
    print_table(
        ("alert", "raised", "finding", "model", "study", "told", "state"),
        [
            (
                str(each.id),
                _moment(each.raised_at),
                each.words,
                each.model,
                each.study_uid,
                f"{each.notices} times" + (f"; {each.problem}" if each.problem else ""),
                f"{each.closed} by {each.closed_by}"
                if each.closed
                else ("escalated" if each.is_escalated else "open"),
            )
            for each in found
        ],
    )


@APP.command("acknowledge")
def acknowledge_(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Number of the alert.")],
    by: Annotated[str, typer.Option("--by", help="Who acknowledges.")] = "",
    note: Annotated[str, typer.Option(help="What was done; kept with the alert.")] = "",
) -> None:
    """Acknowledge an alert: nobody is told of it any more."""
    archive = Archive.open(settings_of(ctx))
    try:
        done = acknowledge(archive, number, by=by or getpass.getuser(), note=note, way="cli")
    finally:
        archive.close()
    print(f"alert {done.id} is acknowledged by {done.closed_by}")


def _moment(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")
