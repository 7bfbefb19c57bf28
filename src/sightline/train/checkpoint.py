"""The state of an unfinished run: one safetensors file, whole or not there."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from sightline.errors import DamagedObject
from sightline.networks.weights import load_tensors, tensors_of
from sightline.store.durable import make_folder, write_durably
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
    """

    identity: str
    step: int = 0
    seconds: float = 0.0
    wait_s: float = 0.0
    curve: tuple[CurvePoint, ...] = ()
    losses: tuple[float, ...] = ()


def save_checkpoint(
    workdir: Path, state: RunState, *, network: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the state of a run; a crash leaves the one before."""
    tensors = {f"network.{name}": value for name, value in tensors_of(network).items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    facts = dataclasses.asdict(state)
    content = save(
        {name: value.detach().contiguous().cpu() for name, value in tensors.items()},
        metadata={_KEY: json.dumps({"format": "sightline-checkpoint", "version": 1, **facts})},
    )
    make_folder(workdir)
    write_durably(workdir / _FILE, content)


def load_checkpoint(
    workdir: Path, identity: str, *, network: nn.Module, optimizer: torch.optim.Optimizer
) -> RunState | None:
    """Restore network and optimizer; None where no checkpoint of this run is there.

    Raises:
        DamagedObject: The checkpoint cannot be read.
    """
    path = workdir / _FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DamagedObject(
            "the checkpoint of this run cannot be read",
            hint=f"Delete {_FILE} in the run's folder to begin the run again.",
        ) from error
    if facts["identity"] != identity:
        return None
    load_tensors(network, _below("network.", tensors))
    optimizer.load_state_dict(
        {"state": _optimizer_state(tensors), "param_groups": optimizer.state_dict()["param_groups"]}
    )
    return RunState(
        identity=identity,
        step=facts["step"],
        seconds=facts["seconds"],
        wait_s=facts["wait_s"],
        curve=tuple(CurvePoint.from_json(point) for point in facts["curve"]),
        losses=tuple(facts["losses"]),
    )


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer_state(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in _below("optimizer.", tensors).items():
        index, _, field = name.partition(".")
        state.setdefault(int(index), {})[field] = value
    return state
