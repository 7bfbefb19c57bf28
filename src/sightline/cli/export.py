"""Hand a collection out as DICOM files; a public export never shows a face."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.cli.context import new_verb, settings_of
from sightline.hub.collections import version
from sightline.hub.exporting import export as export_version
from sightline.hub.hub import Hub

APP = new_verb()


@APP.command()
def export(
    ctx: typer.Context,
    label: Annotated[str, typer.Argument(help="NAME@N, or NAME: the newest.")],
    folder: Annotated[Path, typer.Argument(help="Where to write: SUBJECT/SERIES/*.dcm.")],
    public: Annotated[
        bool, typer.Option("--public", help="It leaves the institution: no head images.")
    ] = False,
) -> None:
    """Write the de-identified images of a collection; ends with 1 where something was withheld."""
    hub = Hub.open(settings_of(ctx))
    chosen = version(hub, label)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("series", total=len(chosen.members))
        done = export_version(
            hub,
            chosen,
            folder,
            is_public=public,
            on_progress=lambda count: progress.update(bar, completed=count),
        )
    print(f"{done.instances} instances of {done.series} series of {chosen.label} in {folder}")
    for series_uid in done.withheld:
        print(f"withheld\t{series_uid}\tmay show a face, and faces are not removed yet")
    if done.withheld:
        raise typer.Exit(1)
