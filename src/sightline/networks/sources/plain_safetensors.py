"""Tensors alone, with a plan beside them that says what they are of."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from sightline.errors import BadFile
from sightline.networks.sources.contract import Brought, Hints, Source
from sightline.networks.sources.documents import read_document
from sightline.values.plan import Plan

_PLAN, _RECIPE = "plan.json", "recipe.yaml"
_WEIGHTS = "*.safetensors"
_PREFIX = "net."


def _recognises(folder: Path) -> bool:
    return (folder / _PLAN).is_file() and any(folder.glob(_WEIGHTS))


def _read(folder: Path, _hints: Hints) -> Brought:
    plan = Plan.from_json(read_document(folder / _PLAN))
    paths = sorted(folder.glob(_WEIGHTS))
    if len(paths) != 1:
        raise BadFile(
            f"{folder.name} holds {len(paths)} safetensors files", hint="Leave the one to take."
        )
    try:
        tensors = load_file(paths[0])
    except SafetensorError as error:
        raise BadFile(f"{paths[0].name} is no safetensors file", hint="Copy it again.") from error
    return Brought(
        plan=plan,
        tensors={f"{_PREFIX}{name.removeprefix(_PREFIX)}": each for name, each in tensors.items()},
        origin={"made by": "unknown", "network": plan.network},
        files=(folder / _PLAN, paths[0]),
        recipe=(folder / _RECIPE).read_text("utf-8") if (folder / _RECIPE).is_file() else "",
    )


def write_folder(folder: Path, *, plan: Plan, recipe: str, weights: bytes) -> None:
    """Write what this source reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PLAN).write_text(json.dumps(plan.to_json(), indent=2), encoding="utf-8")
    (folder / _RECIPE).write_text(recipe, encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(weights)


PLUGIN = Source(
    title="safetensors with a plan",
    holds="plan.json and one .safetensors file, as `sightline models export` writes them",
    recognises=_recognises,
    read=_read,
)
