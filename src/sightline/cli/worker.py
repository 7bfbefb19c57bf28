"""Run the jobs of complete studies; `sightline up` starts one by itself."""

from typing import Annotated

import typer

from sightline.app.worker import run_worker
from sightline.cli.context import new_verb, settings_of

APP = new_verb()


@APP.command()
def worker(
    ctx: typer.Context,
    parent: Annotated[
        int | None, typer.Option(help="End when this process, our parent, has ended.")
    ] = None,
) -> None:
    """Complete studies, run their jobs and send their results, until stopped."""
    run_worker(settings_of(ctx), parent=parent)
