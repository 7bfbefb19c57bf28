"""List the trainings of this hub."""

import typer

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.models import runs as all_runs

APP = new_verb()


@APP.command()
def runs(ctx: typer.Context) -> None:
    """List every training, newest first; an unfinished one can be resumed."""
    rows = [
        (each.lineage_id, each.state, each.collection, each.created_at[:16], each.start_from or "")
        for each in all_runs(Hub.open(settings_of(ctx)))
    ]
    print_table(("run", "state", "collection", "begun", "started from"), rows)
