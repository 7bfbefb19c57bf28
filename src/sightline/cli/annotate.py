"""Attach what experts drew or said to series of the archive."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, settings_of
from sightline.intake.annotations import MaskFile, annotate_all, read_table
from sightline.intake.statements import read_statements, state_all
from sightline.values.identity import SeriesUid

APP = new_verb()


@APP.command()
def annotate(
    ctx: typer.Context,
    series_uid: Annotated[
        str, typer.Argument(help="Series Instance UID the mask was drawn on.")
    ] = "",
    mask: Annotated[
        Path | None, typer.Argument(help="The mask: a NIfTI file, or of an X-ray a PNG.")
    ] = None,
    classes: Annotated[str, typer.Option(help="Class names by voxel value, comma-separated.")] = "",
    author: Annotated[str, typer.Option(help="Who drew it.")] = "",
    table: Annotated[
        Path | None,
        typer.Option(help="CSV file: series_uid, mask and, if wanted, classes, author."),
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(
            help="CSV or JSON file of classes, grades, numbers or places: series_uid, study_uid "
            "or accession_number; author; target; classes and present, name and number, or places."
        ),
    ] = None,
) -> None:
    """Keep masks as DICOM Segmentations of their studies, and values as structured reports.

    One mask, or those of a --table, or the values of a file. Ends with status 1 where one was
    refused or waits in quarantine.
    """
    if values:
        _state(Archive.open(settings_of(ctx)), values, author=author)
        return
    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    if table:
        masks = read_table(table, classes=names, author=author)
    elif series_uid and mask and names and author:
        masks = [
            MaskFile(series_uid=SeriesUid(series_uid), path=mask, classes=names, author=author)
        ]
    else:
        raise typer.BadParameter(
            "give SERIES_UID MASK --classes a,b --author NAME, --table FILE or --values FILE"
        )
    archive = Archive.open(settings_of(ctx))
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("annotate", total=len(masks))
        report = annotate_all(archive, masks, lambda: progress.advance(bar))
    print(f"{report.new} new, {report.duplicates} here already, {report.conflicts} in quarantine")
    for refused, reason in report.refused:
        print(f"refused\t{refused.path}\t{reason}")
    if report.refused or report.conflicts:
        raise typer.Exit(1)


def _state(archive: Archive, path: Path, *, author: str) -> None:
    rows = read_statements(path, author=author)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("annotate", total=len(rows))
        report = state_all(archive, rows, lambda: progress.advance(bar))
    print(f"{report.new} new, {report.duplicates} here already, {report.conflicts} in quarantine")
    for line, reason in report.refused:
        print(f"refused\tline {line}\t{reason}")
    if report.refused or report.conflicts:
        raise typer.Exit(1)
