"""Apply a model to every series of a collection and keep what it says in the hub."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from sightline.cli.context import new_verb, settings_of
from sightline.hub.collections import count_test_evaluations, version
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.serve.collection_predicting import predict_collection
from sightline.serve.engine import Engine
from sightline.values.collection import SPLITS, Split

APP = new_verb()


@APP.command()
def predict(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The model: NAME@N, or NAME: the newest.")],
    on: Annotated[str, typer.Argument(help="The collection: NAME@N, or NAME: the newest.")],
    split: Annotated[Split | None, typer.Option(help="This split alone.")] = None,
    threads: Annotated[int | None, typer.Option(help="0: one a core.")] = None,
) -> None:
    """Predict each series of a collection that has no prediction of the model yet.

    Stopped at any moment, the same command goes on. Predicting the locked test split is counted as
    an evaluation. Ends with status 1 where a series was refused. Research use only.
    """
    settings = settings_of(ctx, threads=threads)
    hub = Hub.open(settings)
    record, chosen = model(hub, name), version(hub, on)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("series")
        done = predict_collection(
            hub,
            Engine.of(hub, settings),
            record,
            chosen=chosen,
            splits=(split,) if split else SPLITS,
            on_done=lambda count, total: progress.update(bar, completed=count, total=total),
        )
    print(
        f"{record.label} on {chosen.label}: {done.made} new predictions, {done.already} there "
        f"already, {len(done.refused)} refused; evaluations on the locked test split: "
        f"{count_test_evaluations(hub, chosen)}"
    )
    for series_uid, why in done.refused:
        print(f"refused\t{series_uid}\t{why}")
    if done.refused:
        raise typer.Exit(1)
