"""Bring a backup back into an empty data directory."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.app.backup import restore as bring_back
from sightline.app.lock import keeping_alone
from sightline.cli.context import new_verb, settings_of

APP = new_verb()


@APP.command("restore")
def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="What `sightline backup` wrote.")],
    vault: Annotated[
        Path | None, typer.Option(help="Where the key was copied to; left out without it.")
    ] = None,
) -> None:
    """Bring back what FOLDER holds, checking every object; nothing is overwritten.

    Ends with status 1 where something in the backup is damaged.
    """
    settings = settings_of(ctx)
    with keeping_alone(settings), Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("restore", total=None)
        copied = bring_back(
            settings,
            folder,
            vault=vault,
            tell=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    print(f"{copied.copied} brought back, {len(copied.damaged)} damaged")
    for digest in copied.damaged:
        print(f"damaged\t{digest}")
    if copied.damaged:
        raise typer.Exit(1)
