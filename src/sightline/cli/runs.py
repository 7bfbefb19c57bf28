"""List the trainings of this hub."""

import typer

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.models import runs as all_runs
from sightline.values.model import RunRecord

APP = new_verb()


@APP.command()
def runs(ctx: typer.Context) -> None:
    """List every training, newest first; an unfinished one can be resumed."""
    rows = [
        (
            each.lineage_id,
            each.state,
            each.collection or "elsewhere",
            each.created_at[:16],
            each.start_from or "",
            _part(each),
            _proof(each),
        )
        for each in all_runs(Hub.open(settings_of(ctx)))
    ]
    columns = ("run", "state", "collection", "begun", "started from", "folds", "reproduced")
    print_table(columns, rows)


def _part(each: RunRecord) -> str:
    if each.record.get("folds"):
        return f"{each.record['folds']} folds"
    fold = each.record.get("fold")
    return f"{fold} of {each.record['part_of']}" if fold else ""


def _proof(each: RunRecord) -> str:
    tried = each.record.get("reproduced", [])
    if not tried:
        return ""
    if tried[-1]["is_equal"]:
        return "bit for bit"
    return "within tolerance" if tried[-1]["holds"] else "no"
