"""Look into the hub: the series and the reports of a study or subject."""

from typing import Annotated

import typer

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.reading import find_studies, reports_of

APP = new_verb("Look into the hub: the series and the reports of a study or subject.")
Name = Annotated[str, typer.Argument(help="A subject, or a Study Instance UID of the hub.")]


@APP.command()
def series(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A subject or study; left out: all.", show_default=False)
    ] = "",
) -> None:
    """List the series of a study, of all studies of a subject, or all there are."""
    rows = [
        (
            *(study.subject_id, study.date, study.uid, each.uid, each.modality),
            *(each.description, each.instances, "volume" if each.is_volume else ""),
        )
        for study in find_studies(Hub.open(settings_of(ctx)), name)
        for each in study.series
    ]
    columns = ("subject", "date", "study", "series", "modality", "description", "instances", "")
    print_table(columns, rows)


@APP.command()
def reports(ctx: typer.Context, name: Name) -> None:
    """Print the reports of a study, or of all studies of a subject, cleaned as they are."""
    hub = Hub.open(settings_of(ctx))
    for study in find_studies(hub, name):
        for each in reports_of(hub, study.uid):
            print(f"# {study.subject_id}\t{study.date}\t{study.uid}\t{each.uid}\n{each.words}\n")
