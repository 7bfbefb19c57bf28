"""Make, list and show collections: named, immutable sets of series, split by subject."""

from collections import Counter
from typing import Annotated

import typer

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.collections import (
    Criteria,
    Shares,
    count_test_evaluations,
    make_version,
    version,
    versions,
)
from sightline.hub.hub import Hub
from sightline.values.collection import SPLITS, CollectionVersion
from sightline.values.reading import ConsensusMethod, consensus_author

APP = new_verb("Make, list and show collections.")


@APP.command()
def make(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the collection.")],
    modality: Annotated[str | None, typer.Option(help="CT, MR, ...")] = None,
    manufacturer: Annotated[str | None, typer.Option(help="How its name begins.")] = None,
    description: Annotated[str | None, typer.Option(help="Words of the description.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Annotated with exactly these: a,b,c.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Readers said classes, a grade, numbers or places of this.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(help="Pairs with the series of the study whose description has these words."),
    ] = None,
    author: Annotated[str | None, typer.Option(help="Pseudonym of the reader.")] = None,
    consensus: Annotated[
        ConsensusMethod | None,
        typer.Option(help="Take this consensus, which `sightline annotations consensus` makes."),
    ] = None,
    validation: Annotated[float, typer.Option(help="Share of subjects to validate on.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of subjects in the locked test split.")] = 0.2,
) -> None:
    """Make the next version of a collection from what the hub holds now.

    Without --author and --consensus the newest annotation that a person drew teaches a series;
    one that was set aside does not.
    """
    if author and consensus:
        raise typer.BadParameter("--author and --consensus both say whose annotations are meant")
    criteria = Criteria(
        modality=modality,
        manufacturer=manufacturer,
        description=description,
        author=consensus_author(consensus) if consensus else author,
        classes=tuple(classes.split(",")) if classes else None,
        target=target,
        into=into,
    )
    shares = Shares(validation=validation, test=test)
    made = make_version(Hub.open(settings_of(ctx)), name, criteria, shares=shares)
    print(f"{made.label}: {_summary(made)}")


@APP.command("list")
def list_versions(ctx: typer.Context) -> None:
    """List every version."""
    found = versions(Hub.open(settings_of(ctx)))
    print_table(("collection", "content"), [(each.label, _summary(each)) for each in found])


@APP.command()
def show(
    ctx: typer.Context, label: Annotated[str, typer.Argument(help="NAME@N, or NAME: the newest.")]
) -> None:
    """Show every member of a version with its split and the reason it was taken."""
    hub = Hub.open(settings_of(ctx))
    chosen = version(hub, label)
    rows = [
        (m.split, m.subject_id, m.series_uid, m.annotation_id or "", m.reason)
        for m in sorted(chosen.members, key=lambda m: (m.split, m.subject_id))
    ]
    print_table(("split", "subject", "series", "annotation", "reason"), rows)
    count = count_test_evaluations(hub, chosen)
    print(f"{chosen.label}: {_summary(chosen)}; evaluations on the locked test split: {count}")


def _summary(chosen: CollectionVersion) -> str:
    subjects = {member.subject_id: member.split for member in chosen.members}
    counts = Counter(subjects.values())
    split = ", ".join(f"{name} {counts[name]}" for name in SPLITS)
    return f"{len(chosen.members)} series of {len(subjects)} subjects ({split})"
