"""Hand a collection out as DICOM files; a public export never shows a face."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.cli.context import new_verb, settings_of
from sightline.deid.face_removal import without_face
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
        bool, typer.Option("--public", help="It leaves the institution: no faces.")
    ] = False,
    remove_faces: Annotated[
        bool,
        typer.Option("--remove-faces", help="With --public: clear faces from CT and MR of heads."),
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
            clear_faces=_clear_faces if remove_faces else None,
            on_progress=lambda count: progress.update(bar, completed=count),
        )
    print(f"{done.instances} instances of {done.series} series of {chosen.label} in {folder}")
    for each in done.withheld:
        print(f"withheld\t{each.series_uid}\t{each.why}")
    if done.withheld:
        raise typer.Exit(1)


def _clear_faces(contents: Sequence[bytes]) -> Sequence[bytes]:
    return without_face(contents).contents
