"""The state of an unfinished run: one safetensors file, whole or not there."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from sightline.errors import DamagedObject, NotKept
from sightline.store.durable import make_folder, write_durably
from sightline.train.learner import Learner
from sightline.train.progress import CurvePoint

_FILE = "checkpoint.safetensors"
_KEY = "sightline"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """How far a run is.

    Attributes:
        identity: digest of what the run is made of; a checkpoint of another run is not used.
        step: steps done.
        seconds: spent, over all processes that worked on it.
        wait_s: of these, waiting for data.
        curve: validations so far.
        losses: since the last validation, one a step.
        is_over: whether it stopped before its last step, because validation got no better.
    """

    identity: str
    step: int = 0
    seconds: float = 0.0
    wait_s: float = 0.0
    curve: tuple[CurvePoint, ...] = ()
    losses: tuple[float, ...] = ()
    is_over: bool = False


def save_checkpoint(workdir: Path, state: RunState, learner: Learner) -> None:
    """Write the state of a run; a crash leaves the one before.

    Raises:
        NotKept: It could not be written; the one before stands.
    """
    facts = dataclasses.asdict(state)
    content = save(
        {name: value.detach().contiguous().cpu() for name, value in learner.tensors().items()},
        metadata={_KEY: json.dumps({"format": "sightline-checkpoint", "version": 2, **facts})},
    )
    try:
        make_folder(workdir)
        write_durably(workdir / _FILE, content)
    except OSError as error:
        stands = (
            "the checkpoint before it stands" if (workdir / _FILE).exists() else "none was kept yet"
        )
        raise NotKept(
            f"the checkpoint of step {state.step} ({len(content) / 2**20:.1f} MB) could not be "
            f"written: {error.strerror}; {stands}",
            hint="Make room in the data directory, then go on with `sightline train --resume RUN`; "
            "`sightline runs` names it.",
        ) from error


def load_checkpoint(workdir: Path, identity: str, learner: Learner) -> RunState | None:
    """Restore what learned; None where no checkpoint of this run is there.

    Raises:
        DamagedObject: The checkpoint cannot be read.
    """
    path = workdir / _FILE
    if not path.exists():
        return None
    try:
        facts, tensors = _read(path)
        state = RunState(
            identity=facts["identity"],
            step=facts["step"],
            seconds=facts["seconds"],
            wait_s=facts["wait_s"],
            curve=tuple(CurvePoint.from_json(point) for point in facts["curve"]),
            losses=tuple(facts["losses"]),
            is_over=facts["is_over"],
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DamagedObject(
            "the checkpoint of this run cannot be read",
            hint=f"Delete {_FILE} in the run's folder to begin the run again.",
        ) from error
    if state.identity != identity:
        return None
    learner.restore(tensors)
    return state


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    with safe_open(path, framework="pt") as file:
        facts = json.loads((file.metadata() or {})[_KEY])
        return facts, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
