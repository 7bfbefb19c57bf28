"""List the studies of the archive and how far each is."""

import typer

from sightline.archive.archive import Archive
from sightline.archive.studies import list_studies
from sightline.cli.context import new_verb, print_table, settings_of

APP = new_verb()
_COLUMNS = (
    *("study", "patient", "date", "description", "modalities", "instances"),
    *("state", "because", "door"),
)


@APP.command()
def studies(ctx: typer.Context) -> None:
    """List the studies of the archive, newest first, and why each counts as complete."""
    rows = [
        (
            each.study.uid,
            each.study.patient.patient_id,
            each.study.date,
            each.study.description,
            "\\".join(each.study.modalities),
            each.study.instances,
            "complete" if each.is_complete else "receiving",
            each.complete_because,
            each.door,
        )
        for each in list_studies(Archive.open(settings_of(ctx)))
    ]
    print_table(_COLUMNS, rows)
