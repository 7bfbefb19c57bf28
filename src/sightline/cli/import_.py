"""Import DICOM files from a folder, a medium, a zip or a tar archive."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, settings_of
from sightline.intake.files import ImportReport, import_path
from sightline.intake.unpacking import size_on_disk

APP = new_verb()


@APP.command("import")
def import_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file, a folder, a zip or a tar(.gz) archive.")],
) -> None:
    """Import every DICOM instance at PATH; the originals stay as they are.

    Ends with status 1 where an instance was refused or waits in quarantine, or none was found.
    """
    settings = settings_of(ctx)
    archive = Archive.open(settings)
    with Progress(
        BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as progress:
        bar = progress.add_task("import", total=size_on_disk(path))
        report = import_path(
            archive,
            path,
            lambda size_bytes: progress.advance(bar, size_bytes),
            default_issuer=settings.issuer_of("import"),
        )
    _print(report)
    if not report.is_clean:
        raise typer.Exit(1)


def _print(report: ImportReport) -> None:
    print(
        f"{report.new} new instances of {len(report.studies)} studies, "
        f"{report.duplicates} here already, {report.conflicts} in quarantine, "
        f"{len(report.refused)} refused, {report.skipped} other files"
    )
    for each in report.refused:
        print(f"refused\t{each.name}\t{each.reason}")
