"""Several readers beside each other: what each said, how far they agree, and one made of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.errors import Refused
from sightline.hub.collections import series_named
from sightline.hub.consensus import make_consensus
from sightline.hub.hub import Hub
from sightline.hub.models import model as model_record
from sightline.hub.predictions import masks_drawn
from sightline.hub.readings import adjudicate as set_in_place
from sightline.hub.readings import classes_drawn, history
from sightline.judge.agreement import agree
from sightline.values.agreement import Agreement
from sightline.values.collection import Split
from sightline.values.identity import HubSeriesUid
from sightline.values.reading import ConsensusMethod

APP = new_verb(
    "Several readers beside each other: what each said, how far they agree, and one made of them."
)
Name = Annotated[str, typer.Argument(help="A collection, NAME@N or NAME, or a series of the hub.")]
Classes = Annotated[str, typer.Option(help="That they mark: a,b. Left out: what all of them do.")]


@APP.command("list")
def list_(
    ctx: typer.Context, series: Annotated[str, typer.Argument(help="A series of the hub.")]
) -> None:
    """List every annotation of a series, newest first, those that no longer count too."""
    found = history(Hub.open(settings_of(ctx)), HubSeriesUid(series))
    rows = [
        (
            *(each.annotation_id, each.author, ",".join(each.classes), each.created_at[:16]),
            *(each.state, each.superseded_by or "", each.reason),
        )
        for each in found
    ]
    columns = ("annotation", "author", "classes", "since", "state", "in its place", "why")
    print_table(columns, rows)


@APP.command()
def agreement(
    ctx: typer.Context,
    name: Name,
    classes: Classes = "",
    split: Annotated[Split | None, typer.Option(help="Of a collection, this split alone.")] = None,
    method: Annotated[
        ConsensusMethod, typer.Option(help="How the others become one where a reader is left out.")
    ] = "majority",
    model: Annotated[
        str, typer.Option(help="Also hold this model against them, by its stored predictions.")
    ] = "",
) -> None:
    """Show how far readers agree: pairs, each with the rest, overlap, kappa, distance.

    With --model, what `sightline predict` stored of the collection is held against the same
    consensuses that each reader is held against.
    """
    hub = Hub.open(settings_of(ctx))
    series = series_named(hub, name, split)
    drawn = masks_drawn(hub, model_record(hub, model), name) if model else None
    with _progress(len(series)) as on_done:
        found = agree(
            hub,
            series,
            classes=_classes(hub, series, classes),
            method=method,
            drawn=drawn,
            on_done=on_done,
        )
    _print(found)


@APP.command()
def consensus(
    ctx: typer.Context,
    name: Name,
    method: Annotated[ConsensusMethod, typer.Option(help="The rule.")] = "majority",
    classes: Classes = "",
) -> None:
    """Make one annotation of the readers' for each series; a repeat makes nothing new.

    Take it into a collection with `sightline collections make --consensus`.
    """
    hub = Hub.open(settings_of(ctx))
    series = series_named(hub, name, None)
    with _progress(len(series)) as on_done:
        done = make_consensus(
            hub, series, method, classes=_classes(hub, series, classes), on_done=on_done
        )
    print_table(("series", "annotation"), sorted(done.made.items()))
    if done.alone:
        typer.echo(f"{len(done.alone)} series have fewer than two readers and got none.", err=True)


@APP.command()
def adjudicate(
    ctx: typer.Context,
    annotation: Annotated[str, typer.Argument(help="A person's annotation that is to hold.")],
    superseded: Annotated[list[str], typer.Argument(help="Earlier ones that it settles.")],
    by: Annotated[str, typer.Option("--by", help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why; kept with them.")],
) -> None:
    """Set a person's later annotation in the place of others; all of them stay.

    Collections that ask for no author and no consensus take it from then on.
    """
    hub = Hub.open(settings_of(ctx))
    set_in_place(hub, annotation, superseded, decided_by=by, reason=reason)
    print(f"{annotation} holds instead of {', '.join(superseded)}")


def _classes(hub: Hub, series: list[HubSeriesUid], given: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if names:
        return names
    found = classes_drawn(hub, series)
    if len(found) != 1:
        known = "; ".join(",".join(each) for each in found) or "none"
        raise Refused(
            f"the annotations mark {len(found)} lists of classes: {known}",
            hint="Say which with --classes.",
        )
    return found[0]


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("series", total=total)
        yield lambda done: progress.update(bar, completed=done)


def _print(found: Agreement) -> None:
    rows = [
        (
            *(each.class_name, each.title),
            "-" if each.figure.value is None else f"{each.figure.value:.3f}",
            "" if each.figure.low is None else f"{each.figure.low:.3f} to {each.figure.high:.3f}",
            each.figure.subjects,
        )
        for each in found.figures
    ]
    print_table(("class", "figure", "mean", "95 % interval", "subjects"), rows)
    alone = f"; {len(found.alone)} more have fewer than two readers" if found.alone else ""
    typer.echo(f"{len(found.series)} series{alone}.", err=True)
    typer.echo(found.note, err=True)
