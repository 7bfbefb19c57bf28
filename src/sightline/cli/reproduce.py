"""Run a training again and compare its weights; what differs is named first."""

from typing import Annotated, Any

import typer

from sightline import extras
from sightline.cli.context import new_verb, settings_of
from sightline.cli.train import run_with_progress
from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.hub.models import run as known_run
from sightline.recipes.library import recipe_named
from sightline.values.identity import LineageId

APP = new_verb()


@APP.command()
def reproduce(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, as `sightline runs` names it.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="Hold this recipe against the run's: a name or a .yaml file."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only name what differs; train nothing.")
    ] = False,
) -> None:
    """Name what differs from when a run was made, run it again, and compare the weights."""
    settings = settings_of(ctx)
    again = extras.load("sightline.train.reproduce", extra="learn")
    hub = Hub.open(settings)
    known = known_run(hub, LineageId(run))
    wanted = recipe_named(recipe).to_yaml() if recipe else None
    found = again.differences(hub, known, recipe=wanted)
    for each in found:
        print(each)
    if not found:
        print(
            "nothing differs: data, recipe, code, libraries and machine are as they were; "
            "the same weights are due, bit for bit"
        )
    if check:
        return
    outcome = run_with_progress(
        known.record["plan"]["steps"],
        lambda show: again.reproduce(
            hub, known, found, runs_dir=settings.runs_dir, on_progress=show
        ),
    )
    _report(outcome)


def _report(outcome: Any) -> None:  # noqa: ANN401 - loaded with the extra
    if outcome.is_equal:
        print("reproduced: the weights are the same, bit for bit")
        return
    print(
        f"the weights differ: by {outcome.largest:.3g} at most, {outcome.relative:.3g} of their "
        f"norm; validation {outcome.metric} {_score(outcome.then)} then, {_score(outcome.now)} now"
    )
    if outcome.holds:
        print("reproduced within the tolerance for another machine or other libraries")
        return
    why = "though nothing differs" if not outcome.differences else "beyond the tolerance"
    raise Refused(
        f"the run was not reproduced, {why}",
        hint="What differs is named above; on the same class of machine the bits must be equal.",
    )


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
