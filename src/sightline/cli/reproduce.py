"""Run a training again and compare its weights, or make published results again."""

import random
from typing import Annotated, Any

import typer

from sightline import extras
from sightline.archive.archive import Archive
from sightline.archive.results import published_predictions
from sightline.archive.studies import lineage_of_instance
from sightline.cli.context import new_verb, settings_of
from sightline.cli.train import run_with_progress
from sightline.errors import BadSettings, Refused, SightlineError
from sightline.hub.hub import Hub
from sightline.hub.models import run as known_run
from sightline.recipes.library import recipe_named
from sightline.serve.engine import Engine
from sightline.serve.making import prediction_of_result
from sightline.serve.remaking import remake
from sightline.settings import Settings
from sightline.values.identity import InstanceUid, LineageId

APP = new_verb()
_RUN = "run-"


@APP.command()
def reproduce(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A run, as `sightline runs` names it; or a published result, by its SOP Instance "
            "UID or its lineage id.",
            show_default=False,
        ),
    ] = "",
    recipe: Annotated[
        str | None,
        typer.Option(help="Hold this recipe against the run's: a name or a .yaml file."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only name what differs; train nothing.")
    ] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="Make so many published results again, picked at random.")
    ] = 0,
) -> None:
    """Prove a run or a result: name what differs from when it was made, and make it again.

    A run is trained again, and the weights are compared. A result is predicted again from the
    record of its prediction, and every byte that was published is compared. Ends with status 1
    where something did not come out again.
    """
    settings = settings_of(ctx)
    if not sample and name.startswith(_RUN):
        _retrain(settings, name, recipe, check=check)
        return
    if recipe or check:
        raise BadSettings(
            "--recipe and --check are for runs, and no run is named",
            hint="Name a run, as `sightline runs` does, or leave them out.",
        )
    _remake(settings, name, sample)


def _remake(settings: Settings, name: str, sample: int) -> None:
    archive, hub = Archive.open(settings), Hub.open(settings)
    engine = Engine.of(hub, settings)
    chosen = _sampled(archive, sample) if sample else [_prediction_named(archive, name)]
    equal = 0
    for number, each in enumerate(chosen, start=1):
        print(f"{number} of {len(chosen)}: {each}", end="", flush=True)
        try:
            found = remake(archive, engine, hub, name=each)
        except SightlineError as error:
            # The others of a sample are judged all the same.
            print(f": not made again: {error.problem}. {error.hint}")
            continue
        came_out = "the same, bit for bit" if found.is_equal else f"not: {', '.join(found.changed)}"
        print(f", {found.prediction.model_version}, {found.objects} objects: {came_out}")
        for difference in found.differences:
            print(f"  {difference}")
        equal += found.is_equal
    if equal < len(chosen):
        raise Refused(
            f"{len(chosen) - equal} of {len(chosen)} predictions did not come out again",
            hint="Why, or what differs from then, is named above; where nothing is, report it as "
            "a defect.",
        )
    print(f"{equal} of {len(chosen)} predictions came out again, bit for bit")


def _sampled(archive: Archive, count: int) -> list[LineageId]:
    published = published_predictions(archive)
    if not published:
        raise Refused(
            "nothing was published yet, so nothing can be made again",
            hint="Send a study that a live model takes; `sightline route` says which do.",
        )
    return random.sample(published, min(count, len(published)))


def _prediction_named(archive: Archive, name: str) -> LineageId:
    if not name:
        raise BadSettings(
            "nothing is named", hint="Give a run or a result, or --sample 10 for ten results."
        )
    return prediction_of_result(lineage_of_instance(archive, InstanceUid(name)) or LineageId(name))


def _retrain(settings: Settings, run: str, recipe: str | None, *, check: bool) -> None:
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
