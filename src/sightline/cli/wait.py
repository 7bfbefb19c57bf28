"""Wait until every study that arrived has gone the whole road."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sightline.app.waiting import Road, wait_until_through
from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, settings_of
from sightline.deid.profile import load_profile

APP = new_verb()


@APP.command()
def wait(
    ctx: typer.Context,
    studies: Annotated[int, typer.Option(help="How many studies there will be at least.")] = 1,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 600.0,
) -> None:
    """Wait until every study is complete, predicted, through the door, and its results sent."""
    settings = settings_of(ctx)
    archive = Archive.open(settings)
    with_records = load_profile(settings.deid_profile).free_text
    with Progress(
        TextColumn("studies through"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        bar = progress.add_task("wait", total=studies)

        def show(road: Road) -> None:
            progress.update(bar, completed=road.through, total=max(studies, road.arrived))

        road = wait_until_through(
            archive,
            expected=studies,
            timeout_s=timeout,
            on_progress=show,
            with_records=with_records,
        )
    print(f"{road.through} studies are through")
