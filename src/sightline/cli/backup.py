"""Copy the data directory while it is at work; only what is new is copied."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.app.backup import back_up
from sightline.app.lock import keeping_alone
from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, settings_of
from sightline.hub.hub import Hub

APP = new_verb()


@APP.command("backup")
def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where to; give the same folder every time.")],
    vault: Annotated[
        Path | None,
        typer.Option(help="Where the key goes: another folder, better another place."),
    ] = None,
) -> None:
    """Copy catalogs, objects, arrays and jobs to FOLDER, checking what is copied.

    Ends with status 1 where something is damaged and was left out.
    """
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        with keeping_alone(settings), Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("backup", total=None)
            copied = back_up(
                settings,
                archive,
                hub,
                target=folder,
                vault=vault,
                tell=lambda done, total: progress.update(bar, completed=done, total=total),
            )
    finally:
        archive.close()
        hub.close()
    print(f"{copied.copied} copied, {copied.already} there already, {len(copied.damaged)} damaged")
    for digest in copied.damaged:
        print(f"damaged\t{digest}")
    if vault is None:
        typer.echo(
            "warning: the vault is not in this backup; without its key a restored hub knows no "
            "patient again. Copy it apart with --vault.",
            err=True,
        )
    if copied.damaged:
        raise typer.Exit(1)
