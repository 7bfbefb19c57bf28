"""List models, show one, write its card, try it, release it; bring weights in, write one out."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from sightline import extras
from sightline.archive.archive import Archive
from sightline.cli import model_packages
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.errors import BadSettings
from sightline.hub.familiar import familiar_now, read_familiar
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations, model, models, releases, run
from sightline.hub.packages import package_of
from sightline.judge.card import card_html, figure_words
from sightline.recipes.library import recipe_named
from sightline.serve.engine import Engine
from sightline.serve.gates import gate_checks
from sightline.serve.releasing import release as release_model
from sightline.serve.releasing import retire as retire_model
from sightline.serve.releasing import roll_back
from sightline.serve.releasing import shadow as shadow_model
from sightline.serve.trying import try_on_collection
from sightline.store.durable import write_durably
from sightline.values.evaluation import Evaluation
from sightline.values.model import ModelRecord
from sightline.values.trial import Trial

APP = new_verb(
    "List models, show one, write its card, try it, release it; bring weights in, write one out."
)
model_packages.add_to(APP)

_WORDS = {True: "met", False: "not met"}

Name = Annotated[str, typer.Argument(help="NAME, NAME@N or a model's id.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]


@APP.command("list")
def list_models(ctx: typer.Context) -> None:
    """List every model version with its state and what it reached on the locked test split."""
    hub = Hub.open(settings_of(ctx))
    rows = []
    for each in models(hub):
        tested = [e for e in evaluations(hub, each.lineage_id) if e.split == "test"]
        reached = _reached(Evaluation.from_json(tested[0].content)) if tested else "not tested"
        rows.append((each.label, each.state, reached, each.lineage_id, each.created_at[:16]))
    print_table(("model", "state", "on the test split", "id", "made"), rows)


def _reached(found: Evaluation) -> str:
    return f"{found.headline.metric} {figure_words(found.headline.figure)}"


@APP.command()
def show(ctx: typer.Context, name: Name) -> None:
    """Print what is known of one model: run, weights, evaluations, releases."""
    hub = Hub.open(settings_of(ctx))
    chosen = model(hub, name)
    package = package_of(hub, chosen)
    content = {
        "model": chosen.label,
        "id": chosen.lineage_id,
        "state": chosen.state,
        "package": model_packages.shown(package) if package else None,
        "run": chosen.run_id,
        "elsewhere": run(hub, chosen.run_id).record.get("elsewhere"),
        "weights": chosen.weights_digest,
        "familiar_with": _familiar_with(hub, chosen),
        "evaluations": [
            {"collection": e.collection, "split": e.split, **e.content}
            for e in evaluations(hub, chosen.lineage_id)
        ],
        "releases": [
            {"from": r.from_state, "to": r.to_state, "by": r.approver, "why": r.reason, "at": r.at}
            | {"gate": [dataclasses.asdict(check) for check in r.checks]}
            for r in releases(hub, chosen.name)
            if r.model_id == chosen.lineage_id
        ],
    }
    print(json.dumps(content, indent=2))


def _familiar_with(hub: Hub, chosen: ModelRecord) -> dict[str, Any] | None:
    """Say what a model is familiar with, without the numbers."""
    digest = familiar_now(hub, chosen.lineage_id)
    if digest is None:
        return None
    known = read_familiar(hub, digest)
    return {"series": known.series, "scanners": list(known.scanners), "object": digest}


@APP.command()
def card(
    ctx: typer.Context,
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
) -> None:
    """Write a model's card: one HTML file that opens anywhere, made from the hub's records."""
    content = card_html(Hub.open(settings_of(ctx)), name)
    try:
        write_durably(output, content.encode())
    except OSError as error:
        raise BadSettings(
            f"{output} cannot be written: {error.strerror}",
            hint="Give a file in a folder of yours.",
        ) from error
    print(f"wrote {output}")


@APP.command()
def release(ctx: typer.Context, name: Name, by: By, reason: Reason) -> None:
    """Make a model live if it reaches its recipe's gate."""
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    chosen = release_model(archive, hub, name, approver=by, reason=reason)
    print(f"{chosen.label} is live")


@APP.command()
def shadow(ctx: typer.Context, name: Name, by: By, reason: Reason) -> None:
    """Let a model run on new studies beside the live one; nobody is shown or sent its results."""
    chosen = shadow_model(Hub.open(settings_of(ctx)), name, approver=by, reason=reason)
    print(f"{chosen.label} is in shadow; `sightline models gate {chosen.label}` shows how it does")


@APP.command()
def retire(ctx: typer.Context, name: Name, by: By, reason: Reason) -> None:
    """Let a model run no more; what it published stays."""
    chosen = retire_model(Hub.open(settings_of(ctx)), name, approver=by, reason=reason)
    print(f"{chosen.label} is retired")


@APP.command()
def gate(ctx: typer.Context, name: Name) -> None:
    """Print what a model must reach before it goes live, and what it reached."""
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    checks = gate_checks(archive, hub, model(hub, name))
    rows = [(each.name, each.asked, each.reached, _WORDS[each.is_met]) for each in checks]
    print_table(("measure", "asked", "reached", ""), rows)
    if not all(each.is_met for each in checks):
        raise typer.Exit(1)


@APP.command()
def rollback(ctx: typer.Context, name: Name, by: By, reason: Reason) -> None:
    """Make the version that was live before live again."""
    chosen = roll_back(Hub.open(settings_of(ctx)), name, approver=by, reason=reason)
    print(f"{chosen.label} is live again")


@APP.command("try")
def try_(
    ctx: typer.Context,
    name: Name,
    on: Annotated[
        str,
        typer.Option(help="A collection, NAME@N, of whose series one is looked at; else its own."),
    ] = "",
    back_end: Annotated[
        list[str] | None, typer.Option(help="Try this one; may be given again. Default: all.")
    ] = None,
) -> None:
    """Time every back end of this machine for a model, and use the fastest that agrees with it.

    Takes a minute or two a back end that compiles. Run it again after an upgrade. A worker that
    runs already goes on as it is until it starts anew.
    """
    settings = settings_of(ctx)
    hub = Hub.open(settings)
    chosen = model(hub, name)
    engine = Engine.of(hub, settings)
    found = try_on_collection(hub, engine, chosen, on=on, names=back_end or (), tell=_tell_trial)
    print(f"{chosen.label} runs by {found.back_end} on this machine")


def _tell_trial(trial: Trial) -> None:
    if trial.problem:
        print(f"{trial.back_end:20}not tried: {trial.problem}")
        return
    print(
        f"{trial.back_end:20}{trial.window_s:8.3f} s a window, agreement {trial.agreement:.4f}, "
        f"ready after {trial.ready_s:.1f} s"
    )


@APP.command()
def familiarize(
    ctx: typer.Context,
    name: Name,
    on: Annotated[
        str, typer.Option(help="A collection, NAME@N or NAME, of series that the model is for.")
    ],
) -> None:
    """Let a model learn what its series look like, so that others are shown with a caution.

    Every training here does that by itself; a model from elsewhere, or of an earlier version, takes
    this. The locked test split is left alone. Results that are there stay as they are.
    """
    hub = Hub.open(settings_of(ctx))
    chosen = model(hub, name)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("series")
        known = extras.load("sightline.train.familiarity", extra="learn").familiarize(
            hub,
            chosen,
            on,
            on_done=lambda count, total: progress.update(bar, completed=count, total=total),
        )
    scanners = ", ".join(known.scanners) or "not recorded"
    print(f"{chosen.label} is familiar with {known.series} series; scanners: {scanners}")


@APP.command("import")
def import_(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="Training folder of nnU-Net, MONAI bundle, or an exported model.")
    ],
    name: Annotated[str, typer.Option(help="What the model is called here.")],
    source: Annotated[
        str, typer.Option(help="Which kind of folder it is, where it could be several.")
    ] = "",
    fold: Annotated[str, typer.Option(help="Which fold of several.")] = "",
    orientation: Annotated[
        str, typer.Option(help="Where x, y and z of its training files ran: LPS, RAS, ...")
    ] = "",
    modality: Annotated[str, typer.Option(help="CT, MR or PT, where the folder misleads.")] = "",
    recipe: Annotated[
        str | None, typer.Option(help="Route, triage and gate the model by this recipe.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take weights that leave layers fresh.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="List every layer, those too that fit.")
    ] = False,
) -> None:
    """Keep weights of others as a model; pickles are opened in a process that can harm nothing."""
    contract = extras.load("sightline.networks.sources.contract", extra="learn")
    importing = extras.load("sightline.train.importing", extra="learn")
    imported = importing.import_model(
        Hub.open(settings_of(ctx)),
        folder,
        name=name,
        hints=contract.Hints(fold=fold, orientation=orientation, modality=modality),
        source=source,
        recipe=recipe_named(recipe) if recipe else None,
        is_partial=partial,
    )
    report = imported.report
    rows = [row for row in report.rows() if layers or row[1] != "loaded"]
    if rows:
        print_table(("layer", "", "why"), rows)
    print(
        f"{imported.model.label} from {imported.source}: {len(report.loaded)} layers loaded, "
        f"{len(report.adapted)} adapted, {len(report.skipped)} made fresh, "
        f"{len(report.unused)} not used; weights {imported.model.weights_digest[:12]}"
    )
    for note in imported.notes:
        print(f"Note: {note}.")
    print(f"Next: sightline evaluate {imported.model.label} --on NAME@N (research use only)")


@APP.command()
def export(
    ctx: typer.Context,
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:
    """Write plan, recipe and weights of a model to a folder that another hub can import."""
    importing = extras.load("sightline.train.importing", extra="learn")
    hub = Hub.open(settings_of(ctx))
    chosen = model(hub, name)
    importing.export_model(hub, chosen, folder)
    print(f"{chosen.label} is in {folder}")
