"""Let old studies go by the rules in retention.yaml; off without them."""

from typing import Annotated

import typer

from sightline.app.lock import keeping_alone
from sightline.app.retention import apply, list_due
from sightline.archive.archive import Archive
from sightline.archive.retention import Due
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub

APP = new_verb()
_COLUMNS = ("study", "rule", "instances", "MB", "what happens")


@APP.command("retention")
def retention(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would go, and what stays and why.")
    ] = False,
) -> None:
    """Remove the studies that a rule lets go, oldest first: rows, then bytes."""
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        with keeping_alone(settings):
            studies = list_due(settings, archive, hub)
            if dry_run:
                print_table(_COLUMNS, [_row(study, _plan(study)) for study in studies])
                return
            gone: list[Due] = []
            apply(settings, archive, studies, tell=gone.append)
            print_table(_COLUMNS, [_row(study, "removed") for study in gone])
    finally:
        archive.close()
        hub.close()


def _plan(study: Due) -> str:
    if study.kept_because:
        return f"stays: {study.kept_because}"
    if study.only_below_free_bytes is not None:
        return f"goes while less than {study.only_below_free_bytes / 1e9:g} GB are free"
    return "goes"


def _row(study: Due, what: str) -> tuple[object, ...]:
    return (study.study_uid, study.rule, study.instances, f"{study.size_bytes / 1e6:.1f}", what)
