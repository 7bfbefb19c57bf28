"""Say which models get which series of a study, and why each other does not; nothing is run."""

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.archive.archive import Archive
from sightline.archive.studies import list_studies
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.errors import BadSettings, UnknownName
from sightline.hub.hub import Hub
from sightline.hub.models import model, models
from sightline.serve.routing import route
from sightline.values.identity import StudyUid
from sightline.values.model import ModelRecord

APP = new_verb()
_GOES = "goes to the model"


@APP.command("route")
def route_(
    ctx: typer.Context,
    study: Annotated[
        str,
        typer.Argument(
            help="Study Instance UID; left out: every study of the archive, counted.",
            show_default=False,
        ),
    ] = "",
    name: Annotated[
        list[str] | None,
        typer.Option("--model", help="This model, live or not; may be given again. Default: live."),
    ] = None,
) -> None:
    """Say which models get which series, and why each other does not; nothing is run or kept."""
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    chosen = [model(hub, each) for each in name] if name else models(hub, state="live")
    if not chosen:
        raise BadSettings(
            "no model is live",
            hint="Release one, or name one with --model to see what it would get.",
        )
    if study:
        rows = [
            (each.model_version, each.series_uid, each.description, each.refusal or _GOES)
            for each in route(archive, hub, StudyUid(study), chosen=chosen)
        ]
        if not rows:
            raise UnknownName(
                f"the archive has no images of a study {study}",
                hint="`sightline studies` lists what is there, by Study Instance UID.",
            )
        print_table(("model", "series", "description", ""), rows)
        return
    _count(archive, hub, chosen)


def _count(archive: Archive, hub: Hub, chosen: list[ModelRecord]) -> None:
    listed = list_studies(archive)
    counts: Counter[tuple[str, str]] = Counter()
    reached: Counter[str] = Counter()
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("studies", total=len(listed))
        for each in listed:
            decisions = route(archive, hub, each.study.uid, chosen=chosen)
            counts.update((one.model_version, one.refusal or _GOES) for one in decisions)
            reached.update({one.model_version for one in decisions if not one.refusal})
            progress.advance(bar)
    rows = sorted((label, -count, why) for (label, why), count in counts.items())
    print_table(("model", "", "series"), [(label, why, -less) for label, less, why in rows])
    for record in chosen:
        print(f"{record.label} gets series of {reached[record.label]} of {len(listed)} studies")
