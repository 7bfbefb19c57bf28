"""De-identify a folder of DICOM files into another one."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.deid.folder import FolderPassage
from sightline.deid.hub_door import HubDoor

APP = new_verb()


@APP.command()
def deid(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder of DICOM files, or one file.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to: SUBJECT/STUDY/SERIES.")],
    remove_faces: Annotated[
        bool, typer.Option("--remove-faces", help="Clear faces from CT and MR of heads.")
    ] = False,
) -> None:
    """De-identify a folder with the key of this data directory's hub; the archive is not used.

    What is not certain is held back and listed with its reason. A patient is the same subject as
    in the hub.
    """
    door = HubDoor.open(settings_of(ctx))
    columns = (
        TextColumn("de-identifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        passage = door.pass_folder(
            path,
            out,
            removes_faces=remove_faces,
            tell=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print(passage, out)


def _print(passage: FolderPassage, out: Path) -> None:
    rows = [("passed", str(folder.relative_to(out)), "") for folder in passage.studies]
    rows += [(f"held: {each.reason}", each.instance_uid, each.detail) for each in passage.held]
    rows += [("not DICOM", str(path), "") for path in passage.not_dicom]
    print_table(("outcome", "what", "why"), rows)
    print(
        f"{passage.instances} instances passed, {len(passage.held)} held, "
        f"{len(passage.not_dicom)} files are no DICOM."
    )
