"""De-identify a folder of DICOM files into another one; explain and verify it."""

from pathlib import Path
from typing import Annotated, Any

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
from typer.core import TyperGroup

from sightline import log
from sightline.cli.context import print_table, settings_of
from sightline.deid.certifying import verify_folder, verify_hub
from sightline.deid.destruction import public_key_of
from sightline.deid.explaining import Explained
from sightline.deid.folder import FolderPassage
from sightline.deid.hub_door import HubDoor
from sightline.deid.profile import profile_file
from sightline.hub.hub import Hub


class _OrFolder(TyperGroup):
    """Takes `sightline deid PATH OUT` as `sightline deid folder PATH OUT`."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401 - click's signature
        """Find the command; where the first word is none, it is a path."""
        is_command = not args or args[0] in self.commands
        return super().resolve_command(ctx, args if is_command else ["folder", *args])


APP = typer.Typer(
    cls=_OrFolder,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="De-identify a folder of DICOM files into another one; explain and verify it.",
)


@APP.command("folder")
def deid(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder of DICOM files, or one file.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to: SUBJECT/STUDY/SERIES.")],
    processes: Annotated[
        int, typer.Option(min=0, help="How many work at a time; 0: one a core.")
    ] = 0,
    remove_faces: Annotated[
        bool, typer.Option("--remove-faces", help="Clear faces from CT and MR of heads.")
    ] = False,
) -> None:
    """De-identify a folder with the key of this data directory's hub; the archive is not used.

    What is not certain is held back and listed with its reason. A patient is the same subject as
    in the hub. The word `folder` may be left out.
    """
    door = HubDoor.open(settings_of(ctx))
    # What the events say of each portion, the table at the end says of each study.
    log.configure(level="WARNING")
    columns = (
        TextColumn("de-identifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("", total=None)

    def tell(done: int, total: int) -> None:
        # Not earlier: its thread would keep the workers from being forks.
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        passage = door.pass_folder(
            path, out, processes=processes, removes_faces=remove_faces, tell=tell
        )
    finally:
        progress.stop()
    _print(passage, out)


@APP.command("explain")
def explain(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="One DICOM file.", exists=True, dir_okay=False)],
    values: Annotated[
        bool, typer.Option("--values", help="Print the values too: they are the patient's.")
    ] = False,
    only: Annotated[
        str, typer.Option(help="Only this outcome: kept, changed, emptied, removed or added.")
    ] = "",
) -> None:
    """Tell what happens to each element of a file at the door, and why."""
    explanation = HubDoor.open(settings_of(ctx)).explain_file(file)
    if explanation.held:
        print(f"held: {explanation.held}")
    chosen = [each for each in explanation.elements if only in {"", each.outcome}]
    columns = ("element", "outcome", *(("before", "after") if values else ()), "why")
    print_table(
        columns,
        (
            (each.place, each.outcome, *(_shown(each) if values else ()), each.why)
            for each in chosen
        ),
    )


def _shown(each: Explained) -> tuple[str, str]:
    before, after = (repr(value[:40].decode("latin-1")) for value in (each.before, each.after))
    return before, after


@APP.command("profile")
def profile(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Default: the one in force.", show_default=False)
    ] = "",
) -> None:
    """Print a de-identification profile, to be read, or copied and changed for a site."""
    chosen = name or settings_of(ctx).deid_profile
    print(profile_file(chosen).decode(), end="")


@APP.command("verify")
def verify(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="Study Instance UID of the hub, or a folder that the door wrote. "
            "Left out: every study of the hub.",
            show_default=False,
        ),
    ] = "",
    public_key: Annotated[
        str, typer.Option(help="Of the hub that signed. Default: that of this data directory.")
    ] = "",
) -> None:
    """Hold what left the door against its certificates: signature, edition, and every byte.

    Ends with status 1 where something is wrong, and says what.
    """
    settings = settings_of(ctx)
    key = public_key or public_key_of(settings)
    folder = Path(what)
    if what and folder.is_dir():
        found = verify_folder(folder, key)
    else:
        hub = Hub.open(settings)
        try:
            with Progress(console=Console(stderr=True)) as progress:
                task = progress.add_task("studies", total=None)
                found = verify_hub(
                    hub,
                    key,
                    study_uid=what or None,
                    tell=lambda done, total: progress.update(task, completed=done, total=total),
                )
        finally:
            hub.close()
    for fault in found.faults:
        print(f"wrong\t{fault.where}\t{fault.problem}")
    print(f"{found.studies} studies, {found.instances} instances, {len(found.faults)} faults")
    if found.faults:
        raise typer.Exit(1)


def _print(passage: FolderPassage, out: Path) -> None:
    rows = [("passed", str(folder.relative_to(out)), "") for folder in passage.studies]
    rows += [(f"held: {each.reason}", each.instance_uid, each.detail) for each in passage.held]
    rows += [("not DICOM", str(path), "") for path in passage.not_dicom]
    print_table(("outcome", "what", "why"), rows)
    print(
        f"{passage.instances} instances passed, {len(passage.held)} held, "
        f"{len(passage.not_dicom)} files are no DICOM."
    )
    if passage.there_before:
        print(f"{passage.there_before} studies were there before.")
