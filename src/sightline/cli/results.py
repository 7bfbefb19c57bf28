"""List the objects that models published, with where they were sent."""

from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.archive.results import published_objects
from sightline.cli.context import new_verb, print_table, settings_of

APP = new_verb()


@APP.command()
def results(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only SEG, SR or OT.")] = None,
) -> None:
    """List published objects, newest first; `sightline trace` takes their SOP Instance UID."""
    rows = [
        (each.kind, each.instance_uid, each.source, each.lineage_id, "; ".join(each.deliveries))
        for each in published_objects(Archive.open(settings_of(ctx)))
        if kind in {None, each.kind}
    ]
    print_table(("kind", "SOP Instance UID", "made by", "lineage id", "sent"), rows)
