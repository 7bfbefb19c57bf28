"""Evaluate a model on a locked test split, with intervals, strata and a shortcut check."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline import extras
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.judge.card import figure_words
from sightline.judge.metrics import metrics_of
from sightline.judge.strata import is_clear, worst_of
from sightline.values.evaluation import Evaluation

APP = new_verb()


@APP.command()
def evaluate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The model: NAME@N, or NAME: the newest.")],
    on: Annotated[
        str | None, typer.Option(help="The collection; without it, the one it was trained on.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Another model to compare with, on the same examples: NAME@N or NAME."),
    ] = None,
) -> None:
    """Evaluate a model on a locked test split; the evaluation is counted and kept."""
    settings = settings_of(ctx)
    examinations = extras.load("sightline.train.examine", extra="learn")
    hub = Hub.open(settings)
    chosen = model(hub, name)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("series")
        collection, found = examinations.examine_on_test(
            hub,
            chosen,
            on,
            against=model(hub, against) if against else None,
            threads=settings.threads,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    print(f"{chosen.label} on the locked test split of {collection.label}:")
    _print_figures(found)
    _print_differences(found)
    _print_strata(found)
    if found.shortcuts:
        print(found.shortcuts.words)
    print(found.note)
    print(f"Its card: sightline models card {chosen.label} -o card.html")


def _print_figures(found: Evaluation) -> None:
    rows = []
    for metric in metrics_of(found.task):
        of_all = found.figure(metric.name)
        if of_all is not None:
            words = figure_words(of_all, metric.unit)
            rows.append((metric.title, "all classes", of_all.subjects, words))
        rows += [
            (metric.title, name, figure.subjects, figure_words(figure, metric.unit))
            for name, figure in found.by_class(metric.name).items()
        ]
    print_table(("metric", "class", "subjects", "figure (95 % interval)"), rows)


def _print_differences(found: Evaluation) -> None:
    for each in found.comparisons:
        print(
            f"{each.metric}, {each.class_name or 'all classes'}: minus {each.other} "
            f"{figure_words(each.difference)}, p = {each.p:.3f}"
        )


def _print_strata(found: Evaluation) -> None:
    first = metrics_of(found.task)[0]
    worst = worst_of(found.strata, is_more_better=first.is_more_better)
    if worst is None:
        print("Strata: no fact divides the subjects into groups of five and more.")
        return
    certainty = "its interval leaves zero out" if is_clear(worst) else "it may be chance"
    print(
        f"Served worst: {worst.fact} {worst.value}: {first.title} {figure_words(worst.figure)} "
        f"on {worst.figure.subjects} subjects; against all others {figure_words(worst.gap)}, "
        f"{certainty}."
    )
