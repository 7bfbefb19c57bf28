"""Print the worklist: what was found, most urgent first."""

from typing import Annotated

import typer

from sightline import clock
from sightline.archive.archive import Archive
from sightline.archive.worklist import worklist as read_worklist
from sightline.cli.context import new_verb, print_table, settings_of

APP = new_verb()
_PRIORITIES = {None: "not assessed", 0: "routine", 1: "soon", 2: "urgent"}


@APP.command()
def worklist(
    ctx: typer.Context,
    days: Annotated[float, typer.Option(help="Received in the last so many days.")] = 7.0,
    words: Annotated[str, typer.Option(help="Only with these words.")] = "",
) -> None:
    """Print the worklist: what was found, most urgent first. Research use only."""
    archive = Archive.open(settings_of(ctx))
    now = clock.timestamp()
    found = read_worklist(archive, since=now - days * 86_400, words=words)
    rows = [
        (
            _PRIORITIES[each.priority],
            "; ".join(each.words),
            each.study.patient.patient_id,
            each.study.description,
            each.state,
            f"{(now - each.waiting_since) / 60:.0f} min",
        )
        for each in found.entries
    ]
    print_table(("priority", "finding", "patient", "study", "state", "waiting"), rows)
