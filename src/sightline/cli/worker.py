"""Run the jobs of complete studies; `sightline up` starts one by itself."""

from typing import Annotated

import typer

from sightline.app.worker import run_worker
from sightline.cli.context import settings_of

APP = typer.Typer()


@APP.command()
def worker(
    ctx: typer.Context,
    parent: Annotated[
        int | None, typer.Option(help="End when this process, our parent, has ended.")
    ] = None,
) -> None:
    """Complete studies, run their jobs and send their results, until stopped."""
    run_worker(settings_of(ctx), parent=parent)
