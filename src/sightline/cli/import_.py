"""Import DICOM files from a folder, a medium, a zip or a tar archive."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, settings_of
from sightline.intake.files import FileReport, ImportReport, import_path, written_report
from sightline.intake.unpacking import size_on_disk

APP = new_verb()


@APP.command("import")
def import_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file, a folder, a zip or a tar(.gz) archive.")],
    report: Annotated[
        Path | None,
        typer.Option(help="Write what became of each file here, as CSV: one line a file."),
    ] = None,
) -> None:
    """Import every DICOM instance at PATH; the originals stay as they are.

    Ends with status 1 where an instance was refused or waits in quarantine, where a DICOMDIR lists
    what is not there, or where none was found.
    """
    settings = settings_of(ctx)
    archive = Archive.open(settings)
    try:
        with ExitStack() as stack:
            write = stack.enter_context(written_report(report)) if report else _nowhere
            progress = stack.enter_context(
                Progress(
                    *(BarColumn(), DownloadColumn(), TimeRemainingColumn()),
                    console=Console(stderr=True),
                )
            )
            bar = progress.add_task("import", total=size_on_disk(path))
            done = import_path(
                archive,
                path,
                lambda size_bytes: progress.advance(bar, size_bytes),
                default_issuer=settings.issuer_of("import"),
                on_file=write,
            )
    finally:
        archive.close()
    _print(done)
    if not done.is_clean:
        raise typer.Exit(1)


def _nowhere(_report: FileReport) -> None:
    pass


def _print(report: ImportReport) -> None:
    print(
        f"{report.new} new instances of {len(report.studies)} studies, "
        f"{report.duplicates} here already, {report.conflicts} in quarantine, "
        f"{len(report.refused)} refused, {report.skipped} other files"
    )
    for each in (*report.refused, *report.missing):
        print(f"{each.outcome}\t{each.name}\t{each.reason}\t{each.hint}")
