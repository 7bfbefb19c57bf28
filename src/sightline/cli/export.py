"""Hand a collection out as DICOM files; a public export never shows a face."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.archive.archive import Archive
from sightline.archive.patients import Occasion
from sightline.cli.context import new_verb, settings_of
from sightline.deid.face_removal import without_face
from sightline.deid.recording import Book
from sightline.deid.releasing import Order, release
from sightline.hub.collections import version
from sightline.hub.exporting import ClearFaces, Exported
from sightline.hub.exporting import export as export_version
from sightline.hub.hub import Hub

APP = new_verb()


@APP.command()
def export(
    ctx: typer.Context,
    label: Annotated[str, typer.Argument(help="NAME@N, or NAME: the newest.")],
    folder: Annotated[Path, typer.Argument(help="Where to write: SUBJECT/SERIES/*.dcm.")],
    public: Annotated[
        bool, typer.Option("--public", help="It leaves the institution: no faces; needs --project.")
    ] = False,
    remove_faces: Annotated[
        bool,
        typer.Option("--remove-faces", help="With --public: clear faces from CT and MR of heads."),
    ] = False,
    project: Annotated[
        str, typer.Option(help="Under names of this project alone; needs --by and --reason.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Your name: a release is recorded.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why: a release is recorded.")] = "",
) -> None:
    """Write the de-identified images of a collection; ends with 1 where something was withheld.

    With --project, and so with --public, subjects, UIDs and dates are those of the project: the
    same in each of its releases, and nothing that another project or the hub could be joined by.
    Reports go with their images, but not into what is --public.
    """
    _check_options(is_public=public, removes_faces=remove_faces, project=project)
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        chosen = version(hub, label)
        order = Order(chosen=chosen, folder=folder, project=project, is_public=public)
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("series", total=len(chosen.members))
            how = _How(
                on_progress=lambda count: progress.update(bar, completed=count),
                clear_faces=_clear_faces if remove_faces else None,
            )
            if project:
                occasion = Occasion(actor=by, reason=reason)
                done = release(Book(settings, archive), hub, order, occasion=occasion, **how)
            else:
                done = export_version(hub, chosen, folder, is_public=public, **how)
    finally:
        archive.close()
        hub.close()
    _print(done, order, has_cleared=remove_faces)


def _check_options(*, is_public: bool, removes_faces: bool, project: str) -> None:
    if removes_faces and not is_public:
        raise typer.BadParameter(
            "--remove-faces goes with --public; elsewhere images leave as the hub has them"
        )
    if is_public and not project:
        raise typer.BadParameter(
            "--public needs --project NAME: under the hub's own names, two releases could be "
            "joined, and each with the hub"
        )


class _How(TypedDict):
    """What an export and a release are both told."""

    on_progress: Callable[[int], None]
    clear_faces: ClearFaces | None


def _print(done: Exported, order: Order, *, has_cleared: bool) -> None:
    what = f"{done.instances} instances of {done.series} series of {order.chosen.label}"
    what += f", {done.reports} of them reports" if done.reports else ""
    print(f"{what} in {order.folder}")
    for each in done.withheld:
        print(f"withheld\t{each.series_uid}\t{each.why}")
    if has_cleared:
        typer.echo(
            "Look at the heads before you hand them on: not every face that stays is noticed.",
            err=True,
        )
    if done.withheld:
        raise typer.Exit(1)


def _clear_faces(contents: Sequence[bytes]) -> Sequence[bytes]:
    return without_face(contents).contents
