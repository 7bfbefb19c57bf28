"""Moving models between states: gates before going live, and the way back."""

from sightline import clock, log
from sightline.errors import GateFailed, Refused
from sightline.hub.hub import Hub
from sightline.hub.models import change_states, evaluations, model, models, releases
from sightline.serve.routing import recipe_of
from sightline.values.evaluation import Evaluation
from sightline.values.model import EvaluationRecord, ModelRecord, ModelState, ReleaseRecord

_log = log.get("serve")


def release(hub: Hub, label: str, *, approver: str, reason: str) -> ModelRecord:
    """Make a model live; the live version of the same name retires.

    Raises:
        UnknownName: There is no such model.
        GateFailed: Its evaluation on the locked test split does not reach the recipe's gate.
        DamagedObject: That evaluation cannot be read.
        Refused: It is live already, or no reason was given.
    """
    chosen = model(hub, label)
    _need_reason(reason, approver)
    if chosen.state == "live":
        raise Refused(f"{chosen.label} is live already", hint="Nothing needs to be done.")
    _check_gate(hub, chosen)
    changes = [
        _change(each, "retired", approver=approver, reason=f"replaced by {chosen.label}: {reason}")
        for each in models(hub, state="live")
        if each.name == chosen.name
    ]
    change_states(hub, [*changes, _change(chosen, "live", approver=approver, reason=reason)])
    _log.info("model_released", model=chosen.label)
    return model(hub, chosen.label)


def roll_back(hub: Hub, name: str, *, approver: str, reason: str) -> ModelRecord:
    """Retire the live version of `name` and make the one live before it live again.

    Raises:
        UnknownName: There is no such model.
        Refused: None is live, none was live before, or no reason was given.
    """
    current = model(hub, name)
    _need_reason(reason, approver)
    versions = {each.lineage_id: each for each in models(hub) if each.name == current.name}
    live = [each for each in versions.values() if each.state == "live"]
    order = [each.model_id for each in releases(hub, current.name) if each.to_state == "live"]
    before = [id_ for id_ in order if id_ not in {each.lineage_id for each in live}]
    if not live or not before:
        raise Refused(
            f"{current.name} has no earlier live version to go back to",
            hint="`sightline models show` lists its releases.",
        )
    back = versions[before[-1]]
    change_states(
        hub,
        [
            *(_change(each, "retired", approver=approver, reason=reason) for each in live),
            _change(back, "live", approver=approver, reason=f"rolled back: {reason}"),
        ],
    )
    _log.info("model_rolled_back", model=back.label)
    return model(hub, back.label)


def _check_gate(hub: Hub, chosen: ModelRecord) -> None:
    gate = recipe_of(chosen).gate
    tested = next((e for e in evaluations(hub, chosen.lineage_id) if e.split == "test"), None)
    if tested is None:
        raise GateFailed(
            f"{chosen.label} was not evaluated on a locked test split",
            hint=f"Run: sightline evaluate {chosen.label}",
        )
    reached, subjects = _reached(tested, gate.metric)
    if reached is None or subjects < gate.min_subjects or reached < gate.at_least:
        value = "nothing that could be scored" if reached is None else f"{reached:.4f}"
        raise GateFailed(
            f"{chosen.label} reached {gate.metric} {value} on {subjects} subjects; "
            f"its gate asks {gate.at_least:.4f} on at least {gate.min_subjects}",
            hint="Train longer or on more subjects; the gate stands in the recipe.",
        )


def _reached(tested: EvaluationRecord, metric: str) -> tuple[float | None, int]:
    found = Evaluation.from_json(tested.content)
    figure = found.figure(metric)
    return figure.value if figure else None, found.subjects


def _need_reason(reason: str, approver: str) -> None:
    if not reason.strip() or not approver.strip():
        raise Refused(
            "a change of a model's state needs a reason and an approver",
            hint="Give --reason and --by; both are kept with the model.",
        )


def _change(
    chosen: ModelRecord, to_state: ModelState, *, approver: str, reason: str
) -> ReleaseRecord:
    return ReleaseRecord(
        model_id=chosen.lineage_id,
        from_state=chosen.state,
        to_state=to_state,
        approver=approver,
        reason=reason,
        at=clock.now().isoformat(),
    )
