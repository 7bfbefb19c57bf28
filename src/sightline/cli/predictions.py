"""List what models said of collections, show one, write them out."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.hub.prediction_export import export_predictions
from sightline.hub.predictions import prediction, predictions

APP = new_verb("List what models said of collections, show one, write them out.")


@APP.command("list")
def list_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A model; left out: all.", show_default=False)] = "",
    on: Annotated[str, typer.Option(help="Of this collection alone: NAME@N or NAME.")] = "",
) -> None:
    """List predictions, what is more urgent first. Research use only."""
    hub = Hub.open(settings_of(ctx))
    model_id = model(hub, name).lineage_id if name else None
    rows = [
        (
            *(each.lineage_id, each.model, each.collection, each.split),
            *(each.subject_id, each.series_uid, each.finding.priority, each.finding.line),
        )
        for each in predictions(hub, model_id=model_id, label=on or None)
    ]
    columns = ("prediction", "model", "collection", "split", "subject", "series", "", "finding")
    print_table(columns, rows)


@APP.command()
def show(
    ctx: typer.Context, id_: Annotated[str, typer.Argument(metavar="ID", help="A prediction.")]
) -> None:
    """Print one prediction with its measurements as JSON."""
    found = prediction(Hub.open(settings_of(ctx)), id_)
    print(json.dumps(dataclasses.asdict(found), indent=2))


@APP.command()
def export(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The model: NAME@N, or NAME: the newest.")],
    on: Annotated[str, typer.Argument(help="The collection: NAME@N, or NAME: the newest.")],
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there yet.")],
) -> None:
    """Write masks as NIfTI and measurements as a table, under the hub's own names.

    They are for use within the institution; what leaves it goes by `sightline export`.
    """
    hub = Hub.open(settings_of(ctx))
    found = predictions(hub, model_id=model(hub, name).lineage_id, label=on)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("series", total=len(found))
        table = export_predictions(
            hub, found, folder, on_done=lambda done: progress.update(bar, completed=done)
        )
    print(f"{len(found)} predictions in {table}")
