"""List models, show one, release it, roll back."""

import json
from typing import Annotated

import typer

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations, model, models, releases
from sightline.serve.releasing import release as release_model
from sightline.serve.releasing import roll_back

APP = new_verb("List models, show one, release it, roll back.")

Name = Annotated[str, typer.Argument(help="NAME, NAME@N or a model's id.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]


@APP.command("list")
def list_models(ctx: typer.Context) -> None:
    """List every model version with its state and its Dice on the locked test split."""
    hub = Hub.open(settings_of(ctx))
    rows = []
    for each in models(hub):
        tested = [e for e in evaluations(hub, each.lineage_id) if e.split == "test"]
        dice = _dice(tested[0].content["dice"]["mean"]) if tested else "not tested"
        rows.append((each.label, each.state, dice, each.lineage_id, each.created_at[:16]))
    print_table(("model", "state", "test Dice", "id", "made"), rows)


def _dice(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.3f}"


@APP.command()
def show(ctx: typer.Context, name: Name) -> None:
    """Print what is known of one model: run, weights, evaluations, releases."""
    hub = Hub.open(settings_of(ctx))
    chosen = model(hub, name)
    content = {
        "model": chosen.label,
        "id": chosen.lineage_id,
        "state": chosen.state,
        "run": chosen.run_id,
        "weights": chosen.weights_digest,
        "evaluations": [
            {"collection": e.collection, "split": e.split, **e.content}
            for e in evaluations(hub, chosen.lineage_id)
        ],
        "releases": [
            {"from": r.from_state, "to": r.to_state, "by": r.approver, "why": r.reason, "at": r.at}
            for r in releases(hub, chosen.name)
            if r.model_id == chosen.lineage_id
        ],
    }
    print(json.dumps(content, indent=2))


@APP.command()
def release(ctx: typer.Context, name: Name, by: By, reason: Reason) -> None:
    """Make a model live if it reaches its recipe's gate."""
    chosen = release_model(Hub.open(settings_of(ctx)), name, approver=by, reason=reason)
    print(f"{chosen.label} is live")


@APP.command()
def rollback(ctx: typer.Context, name: Name, by: By, reason: Reason) -> None:
    """Make the version that was live before live again."""
    chosen = roll_back(Hub.open(settings_of(ctx)), name, approver=by, reason=reason)
    print(f"{chosen.label} is live again")
