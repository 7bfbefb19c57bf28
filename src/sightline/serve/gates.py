"""What a model must reach before it goes live: on the locked test split, and in shadow."""

import math
import statistics
from collections.abc import Iterator, Sequence

from sightline.archive.archive import Archive
from sightline.archive.shadows import shadows_of
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations, models
from sightline.serve.routing import recipe_of
from sightline.values.evaluation import Evaluation, Figure
from sightline.values.model import GateCheck, ModelRecord
from sightline.values.prediction import Beside, ShadowPrediction
from sightline.values.recipe import Gate

_SLOWEST = 0.95
_AT_MOST = {"max_seconds"}


def gate_checks(archive: Archive, hub: Hub, chosen: ModelRecord) -> list[GateCheck]:
    """Look at everything that the gate of a model's recipe asks for.

    Raises:
        DamagedObject: Its evaluation cannot be read.
    """
    gate, live = recipe_of(chosen).gate, _live_version(hub, chosen)
    said = shadows_of(archive, chosen.lineage_id)
    return [
        *([] if live is None else [_no_looser(gate, live)]),
        *_on_test_split(hub, chosen, gate),
        *_in_shadow(said, gate, live),
    ]


def _no_looser(gate: Gate, live: ModelRecord) -> GateCheck:
    """Hold a gate against that of the live version: whoever trains writes the recipe, too."""
    known = recipe_of(live).gate
    looser = [name for name in Gate.model_fields if _is_looser(name, gate, known)]
    return GateCheck(
        name="the gate itself",
        asked=f"no looser than that of {live.label}",
        reached=f"looser: {', '.join(looser)}" if looser else "no looser",
        is_met=not looser,
    )


def _is_looser(name: str, gate: Gate, known: Gate) -> bool:
    asked, before = getattr(gate, name), getattr(known, name)
    if name == "metric":
        return bool(asked != before)
    if before is None:
        return False
    return asked is None or bool(asked > before if name in _AT_MOST else asked < before)


def _on_test_split(hub: Hub, chosen: ModelRecord, gate: Gate) -> Iterator[GateCheck]:
    tested = next((e for e in evaluations(hub, chosen.lineage_id) if e.split == "test"), None)
    if tested is None:
        yield GateCheck(
            name="evaluation", asked="on the locked test split", reached="none", is_met=False
        )
        return
    found = Evaluation.from_json(tested.content)
    figure = found.figure(gate.metric)
    yield _at_least(gate.metric, gate.at_least, figure.value if figure else None)
    yield GateCheck(
        name="subjects",
        asked=f"at least {gate.min_subjects}",
        reached=str(found.subjects),
        is_met=found.subjects >= gate.min_subjects,
    )
    if gate.low_at_least is not None:
        name = f"{gate.metric}, lower end of its interval"
        yield _at_least(name, gate.low_at_least, figure.low if figure else None)
    if gate.worst_stratum is not None:
        yield _worst_stratum(found, gate, gate.worst_stratum)


def _worst_stratum(found: Evaluation, gate: Gate, asked: float) -> GateCheck:
    """Take the worst stratum that is large enough to say something; it may be of one value."""
    if found.headline.metric != gate.metric:
        return GateCheck(
            name="worst stratum",
            asked=f"{gate.metric} at least {asked:g}",
            reached=f"strata were measured by {found.headline.metric}",
            is_met=False,
        )
    large = [each for each in found.strata if each.figure.subjects >= gate.min_subjects]
    worst = min(large, key=lambda each: _or_nothing(each.figure), default=None)
    if worst is None:
        return _at_least("worst stratum, none being large enough", asked, None)
    return _at_least(f"worst stratum ({worst.fact} {worst.value})", asked, worst.figure.value)


def _or_nothing(figure: Figure) -> float:
    return -math.inf if figure.value is None else figure.value


def _in_shadow(
    said: Sequence[ShadowPrediction], gate: Gate, live: ModelRecord | None
) -> Iterator[GateCheck]:
    if not gate.shadow_series:
        return
    # A series whose images came late is looked at again; one answer counts, whatever failed before.
    answered = {s.prediction.series_uid: s for s in said if s.prediction.state == "kept"}
    kept = list(answered.values())
    refused = {s.prediction.series_uid for s in said if s.prediction.state == "failed"}
    failed = len(refused - answered.keys())
    yield GateCheck(
        name="series in shadow",
        asked=f"at least {gate.shadow_series}, none failed",
        reached=f"{len(kept)}, {failed} failed",
        is_met=len(kept) >= gate.shadow_series and not failed,
    )
    if live is not None:
        beside = [each.beside for each in kept if each.beside]
        yield from _beside_live([b for b in beside if b.model_id == live.lineage_id], gate)
    if gate.max_seconds is not None:
        yield _seconds(kept, gate.max_seconds)


def _beside_live(beside: Sequence[Beside], gate: Gate) -> Iterator[GateCheck]:
    if gate.shadow_dice is None and gate.shadow_same_priority is None:
        return
    yield GateCheck(
        name="series beside the live version",
        asked=f"at least {gate.shadow_series}",
        reached=str(len(beside)),
        is_met=len(beside) >= gate.shadow_series,
    )
    if gate.shadow_dice is not None:
        yield _dice(beside, gate.shadow_dice)
    if gate.shadow_same_priority is not None:
        same = [each.is_same_priority for each in beside]
        share = statistics.fmean(same) if same else None
        yield _at_least("same priority as the live version", gate.shadow_same_priority, share)


def _dice(beside: Sequence[Beside], asked: float) -> GateCheck:
    dice = [each.dice for each in beside if each.dice is not None]
    return _at_least("dice with the live version", asked, statistics.fmean(dice) if dice else None)


def _seconds(kept: Sequence[ShadowPrediction], asked: float) -> GateCheck:
    took = sorted(
        sum(making.seconds.values()) for each in kept if (making := each.prediction.making)
    )
    slow = took[math.ceil(_SLOWEST * len(took)) - 1] if took else None
    return GateCheck(
        name="seconds, of 95 % of series",
        asked=f"at most {asked:g}",
        reached="nothing measured" if slow is None else f"{slow:.2f}",
        is_met=slow is not None and slow <= asked,
    )


def _at_least(name: str, asked: float, reached: float | None) -> GateCheck:
    return GateCheck(
        name=name,
        asked=f"at least {asked:.4f}",
        reached="nothing that could be scored" if reached is None else f"{reached:.4f}",
        is_met=reached is not None and reached >= asked,
    )


def _live_version(hub: Hub, chosen: ModelRecord) -> ModelRecord | None:
    """Return the live version of a model; None where there is none beside itself."""
    live = [each for each in models(hub, state="live") if each.name == chosen.name]
    return next((each for each in live if each.lineage_id != chosen.lineage_id), None)
