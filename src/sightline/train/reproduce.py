"""Proving a run by running it again: what differs is named first, then the weights are compared."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load

from sightline import clock
from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.hub.lineage import find
from sightline.hub.models import model_of_run, note_run
from sightline.hub.proving import flaw_of
from sightline.train.device import device_named
from sightline.train.differences import (
    Difference,
    codes_differ,
    environments_differ,
    machines_differ,
    plans_differ,
    recipes_differ,
)
from sightline.train.environment import code_facts, environment, hardware
from sightline.train.progress import Progress, validation_of
from sightline.train.session import Session, fitted_by, session_of
from sightline.values.collection import CollectionVersion
from sightline.values.model import ModelRecord, RunRecord

_FATAL = ("data", "recipe", "plan")
# A rerun elsewhere rounds otherwise; what it learns must not differ by more, or of scores beyond
# 1, such as errors in mm, by a greater share.
_TOLERANCE = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """A run beside its repetition.

    Attributes:
        differences: what was not as it was then; empty on the same class of machine.
        is_equal: whether the weights are the same, bit for bit.
        largest: difference of a weight.
        relative: norm of the difference over the norm of the weights.
        metric: of the validations.
        then: last validation of the run.
        now: of the repetition.
    """

    differences: tuple[Difference, ...]
    is_equal: bool
    largest: float
    relative: float
    metric: str
    then: float | None
    now: float | None

    @property
    def holds(self) -> bool:
        """Whether the run is proven: the same bits, or elsewhere the same result."""
        if self.is_equal:
            return True
        if not self.differences or self.then is None or self.now is None:
            return False
        return abs(self.then - self.now) <= _TOLERANCE * max(1.0, abs(self.then))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**dataclasses.asdict(self), "holds": self.holds}


def differences(hub: Hub, known: RunRecord, *, recipe: str | None = None) -> list[Difference]:
    """Name everything that is not as it was when a run was made; every voxel is read.

    Args:
        hub: the store.
        known: the run.
        recipe: as YAML, to hold against the run's; None for what the run's record says of it.

    Raises:
        Refused: The run is not finished, or is a cross-validation.
        UnknownName: Its collection is gone.
        MissingDevice: The device that it was made on is not there.
    """
    made = _finished(hub, known)
    then = known.record
    session = session_of(hub, known, runs_dir=Path())
    return [
        *_data_differs(hub, session.collection),
        *_recipe_differs(known, made, recipe),
        *plans_differ(made.manifest["plan"], then["plan"]),
        *codes_differ(then["code"], code_facts()),
        *environments_differ(then["environment"], environment()),
        *machines_differ(then["hardware"], hardware(device_named(session.device), session.threads)),
    ]


def reproduce(
    hub: Hub,
    known: RunRecord,
    found: Sequence[Difference],
    *,
    runs_dir: Path,
    on_progress: Callable[[Progress], None],
) -> Reproduction:
    """Run a training again, compare its weights, and note the outcome with the run.

    A repetition that was stopped goes on where it was.

    Args:
        hub: the store.
        known: the run.
        found: what `differences` named.
        runs_dir: where checkpoints lie meanwhile.
        on_progress: called after every step.

    Raises:
        Refused: Data or recipe are not the run's: it could prove nothing.
        DamagedObject: An array or weights cannot be read.
        MissingDevice: The device that it was made on is not there.
        NotKept: A checkpoint could not be written.
    """
    fatal = [str(each) for each in found if each.kind in _FATAL]
    if fatal:
        raise Refused(
            f"{known.lineage_id} cannot be repeated: {'; '.join(fatal)}",
            hint="Bring back what it was made of (`sightline verify --repair-from BACKUP` mends "
            "arrays), or train anew.",
        )
    made = _finished(hub, known)
    session: Session = session_of(hub, known, runs_dir=runs_dir)
    workdir = runs_dir / f"again-{known.lineage_id}"
    fitted = fitted_by(hub, session, workdir=workdir, on_progress=on_progress)
    largest, relative = _apart(hub.objects.get(made.weights_digest), fitted.weights)
    metric, then = validation_of(known.record)
    outcome = Reproduction(
        differences=tuple(found),
        is_equal=fitted.manifest.weights_digest == made.weights_digest,
        largest=largest,
        relative=relative,
        metric=metric,
        then=then,
        now=validation_of(fitted.record)[1],
    )
    _note(hub, known, outcome)
    shutil.rmtree(workdir, ignore_errors=True)
    return outcome


def _note(hub: Hub, known: RunRecord, outcome: Reproduction) -> None:
    """Note an outcome with the run, after those that are noted there."""
    noted = {"at": clock.now().isoformat()} | json.loads(json.dumps(outcome.to_json()))
    before = known.record.get("reproduced", [])
    note_run(hub, known.lineage_id, {"reproduced": [*before, noted]})


def _finished(hub: Hub, known: RunRecord) -> ModelRecord:
    if known.record.get("folds"):
        raise Refused(
            f"{known.lineage_id} is a cross-validation of {known.record['folds']} runs",
            hint="Reproduce its folds; `sightline runs` lists them.",
        )
    made = model_of_run(hub, known.lineage_id)
    if known.state != "finished" or made is None:
        raise Refused(
            f"{known.lineage_id} is not finished",
            hint=f"Go on with: sightline train --resume {known.lineage_id}",
        )
    return made


def _data_differs(hub: Hub, chosen: CollectionVersion) -> list[Difference]:
    """Compare the manifest with its lineage, and every voxel with the name of its array."""
    found = []
    noted = find(hub, chosen.label).facts.get("digest", "")
    if noted != chosen.digest:
        then, now = noted[:12], chosen.digest[:12]
        found.append(Difference(kind="data", name=chosen.label, then=then, now=now))
    for member in chosen.in_order():
        if member.split == "test":
            continue
        for what, digest in (("volume", member.volume_digest), ("mask", member.annotation_digest)):
            flaw = flaw_of(hub, digest) if digest else None
            if digest and flaw:
                name = f"{what} of series {member.series_uid}"
                found.append(Difference(kind="data", name=name, then=digest[:12], now=flaw))
    return found


def _recipe_differs(known: RunRecord, made: ModelRecord, recipe: str | None) -> list[Difference]:
    """Hold the run's recipe against its model's, or against another."""
    if recipe is not None:
        return recipes_differ(known.recipe, recipe)
    found = recipes_differ(made.manifest["recipe"], known.recipe)
    return found or recipes_differ(known.record["recipe"], known.recipe)


def _apart(then: bytes, now: bytes) -> tuple[float, float]:
    """Return the largest difference of a weight, and the norm of all over that of the weights."""
    one, other = load(then), load(now)
    largest, apart, size = 0.0, 0.0, 0.0
    for name, value in one.items():
        difference = value.double() - other[name].double()
        largest = max(largest, float(difference.abs().max())) if value.numel() else largest
        apart += float((difference**2).sum())
        size += float((value.double() ** 2).sum())
    return largest, math.sqrt(apart / size) if size else 0.0
