"""Import orders, reports and values: a FHIR bundle, an HL7 message or a CSV table."""

from pathlib import Path
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.audit.anchor import Anchor
from sightline.cli.context import new_verb, settings_of
from sightline.intake.clinical_files import import_clinical as take_file
from sightline.intake.clinical_tables import TableMapping

APP = new_verb()


@APP.command("import-clinical")
def import_clinical(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="FHIR JSON, one HL7 v2 message, or CSV.")],
    mapping: Annotated[
        Path | None, typer.Option(help="YAML that says what the columns of a CSV file are.")
    ] = None,
) -> None:
    """Import what PATH says, all of it or nothing; what cannot be tied to a study waits."""
    settings = settings_of(ctx)
    columns = TableMapping.from_file(mapping) if mapping else None
    archive = Archive.open(settings)
    try:
        said = take_file(archive, path, settings, mapping=columns)
        Anchor.open(settings).advance(archive.database)
    finally:
        archive.close()
    print(f"{len(said.changes)} persons, {len(said.records)} orders, reports and values")
