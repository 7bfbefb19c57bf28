"""List what models published, objects and messages, with where it was sent."""

from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.archive.outbox import sent_messages
from sightline.archive.results import published_objects
from sightline.cli.context import new_verb, print_table, settings_of

APP = new_verb()


@APP.command()
def results(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only SEG, SR, OT, HL7 or FHIR.")] = None,
) -> None:
    """List published objects and messages, each newest first; `sightline trace` takes their ids."""
    archive = Archive.open(settings_of(ctx))
    rows: list[tuple[str, ...]] = [
        (each.kind, each.instance_uid, each.source, each.lineage_id, "; ".join(each.deliveries))
        for each in published_objects(archive)
    ]
    rows += [
        (
            each.to.kind.upper(),
            "",
            f"model:{each.model_version}",
            each.lineage_id,
            f"{each.state} {each.to.destination}" + (f": {each.problem}" if each.problem else ""),
        )
        for each in sent_messages(archive)
    ]
    chosen = [row for row in rows if kind in {None, row[0]}]
    print_table(("kind", "SOP Instance UID", "made by", "lineage id", "sent"), chosen)
