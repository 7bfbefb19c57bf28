"""Moving models between states: gates before going live, and the way back."""

import dataclasses

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.errors import GateFailed, Refused
from sightline.hub.hub import Hub
from sightline.hub.models import change_states, model, models, releases
from sightline.serve.gates import gate_checks
from sightline.values.model import GateCheck, ModelRecord, ModelState, ReleaseRecord

_log = log.get("serve")


def release(archive: Archive, hub: Hub, label: str, *, approver: str, reason: str) -> ModelRecord:
    """Make a model live; the live version of the same name retires.

    Args:
        archive: keeps what the model said in shadow.
        hub: keeps the model.
        label: `NAME@N`.
        approver: who decides.
        reason: why; kept with the model, as is what the gate found.

    Raises:
        UnknownName: There is no such model.
        GateFailed: It does not reach the recipe's gate, on the locked test split or in shadow.
        DamagedObject: That evaluation cannot be read.
        Refused: It is live already, or no reason was given.
    """
    chosen = model(hub, label)
    _need_reason(reason, approver)
    if chosen.state == "live":
        raise Refused(f"{chosen.label} is live already", hint="Nothing needs to be done.")
    checks = _passed(archive, hub, chosen)
    changes = [
        _change(each, "retired", approver=approver, reason=f"replaced by {chosen.label}: {reason}")
        for each in models(hub, state="live")
        if each.name == chosen.name
    ]
    own = _change(chosen, "live", approver=approver, reason=reason)
    change_states(hub, [*changes, dataclasses.replace(own, checks=tuple(checks))])
    _log.info("model_released", model=chosen.label)
    return model(hub, chosen.label)


def shadow(hub: Hub, label: str, *, approver: str, reason: str) -> ModelRecord:
    """Let a model run on new studies beside the live one; it is shown to nobody.

    Raises:
        UnknownName: There is no such model.
        Refused: It is live or in shadow already, or no reason was given.
    """
    chosen = model(hub, label)
    _need_reason(reason, approver)
    if chosen.state in {"live", "shadow"}:
        raise Refused(
            f"{chosen.label} is {chosen.state} already",
            hint="A live model is taken back by `sightline models rollback` or `retire`.",
        )
    return _moved(hub, _change(chosen, "shadow", approver=approver, reason=reason))


def retire(hub: Hub, label: str, *, approver: str, reason: str) -> ModelRecord:
    """Let a model run no more; what it published stays, and stays attributed.

    Raises:
        UnknownName: There is no such model.
        Refused: It is retired already, or no reason was given.
    """
    chosen = model(hub, label)
    _need_reason(reason, approver)
    if chosen.state == "retired":
        raise Refused(f"{chosen.label} is retired already", hint="Nothing needs to be done.")
    return _moved(hub, _change(chosen, "retired", approver=approver, reason=reason))


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


def _moved(hub: Hub, change: ReleaseRecord) -> ModelRecord:
    change_states(hub, [change])
    moved = model(hub, change.model_id)
    _log.info("model_moved", model=moved.label, state=moved.state)
    return moved


def _passed(archive: Archive, hub: Hub, chosen: ModelRecord) -> list[GateCheck]:
    """Return what the gate found, where all of it is met.

    Raises:
        GateFailed: Something is not.
    """
    checks = gate_checks(archive, hub, chosen)
    unmet = [each for each in checks if not each.is_met]
    if unmet:
        said = "; ".join(f"{each.name}: asked {each.asked}, got {each.reached}" for each in unmet)
        raise GateFailed(
            f"{chosen.label} does not pass its gate: {said}",
            hint=f"The gate stands in its recipe; `sightline models gate {chosen.label}` shows "
            "all of it. Evaluate it, train it longer, or let it run in shadow.",
        )
    return checks


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
