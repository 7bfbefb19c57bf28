"""Say beforehand what reading in a model's order would change."""

import dataclasses
import json
from typing import Annotated

import typer

from sightline.cli.context import new_verb, print_table
from sightline.serve.reading_order import Load, ReadingOrder, Waits, simulate

APP = new_verb("Say beforehand what reading in a model's order would change.")


@APP.callback()
def triage() -> None:
    """Say beforehand what reading in a model's order would change."""


@APP.command("simulate")
def simulate_(
    per_hour: Annotated[float, typer.Option(help="Studies that come in an hour.")],
    reading_min: Annotated[float, typer.Option(help="Minutes that reading one takes.")],
    prevalence: Annotated[float, typer.Option(help="Share of studies with the finding.")],
    sensitivity: Annotated[float, typer.Option(help="Share of those that the model flags.")],
    specificity: Annotated[float, typer.Option(help="Share of the others that it does not.")],
    readers: Annotated[int, typer.Option(help="Who read at the same time.")] = 1,
    model_min: Annotated[float, typer.Option(help="Minutes until the model answers.")] = 0.0,
    studies: Annotated[int, typer.Option(min=1000, help="How many are simulated.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Another gives other studies.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate a reading room with and without the model: minutes that studies wait.

    Nothing of your data is used, and nothing is kept. Research use only.
    """
    load = Load(
        per_hour=per_hour,
        reading_min=reading_min,
        readers=readers,
        prevalence=prevalence,
        sensitivity=sensitivity,
        specificity=specificity,
        model_min=model_min,
    )
    found = simulate(load, studies=studies, seed=seed)
    if as_json:
        print(json.dumps({"busy": load.busy} | dataclasses.asdict(found), indent=2))
        return
    _show(load, found)


def _show(load: Load, found: ReadingOrder) -> None:
    rows = [
        ("all, first come, first read", *_row(found.plain)),
        ("with the finding, model's order", *_row(found.positives)),
        ("... that the model missed", *_row(found.missed)),
        ("without the finding, model's order", *_row(found.negatives)),
    ]
    print_table(("minutes until read", "mean", "95 % interval", "median", "p95", "studies"), rows)
    won, lost = (
        found.plain.mean - found.positives.mean,
        found.negatives.mean - found.plain.mean,
    )
    print(
        f"Readers are busy {load.busy:.0%} of their time; the model flags {found.flagged:.1%}. A "
        f"study with the finding is read {won:.1f} minutes earlier, one without {lost:.1f} later."
    )


def _row(each: Waits) -> tuple[str, ...]:
    return (
        f"{each.mean:.1f}",
        f"{each.low:.1f} to {each.high:.1f}",
        f"{each.median:.1f}",
        f"{each.p95:.1f}",
        str(each.studies),
    )
