"""Weights of strangers held against the network of a plan, as work for a limited child."""

from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from sightline.errors import BadFile, DamagedObject
from sightline.networks.contract import build_network
from sightline.networks.weights import load_tensors
from sightline.values.plan import Plan

_HINT = "Ask the publisher for the weights that the plan of the package is of."
# What networks of others raise about numbers that do not go together.
_UNBUILDABLE = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
)


def prove_fit(path: str, plan: dict[str, Any], members: int) -> bool:
    """Build the networks of a plan and load a file into them; tell that it could be done.

    Args:
        path: of safetensors; another file is not loaded.
        plan: as JSON.
        members: how many networks.

    Raises:
        BadFile: They do not fit each other, or the networks cannot be built.
        UnknownName: The network is not installed.
        BadRecipe: The network cannot be what the plan says.
    """
    try:
        built = _built(Plan.from_json(plan), members)
        if path.endswith(".safetensors"):
            load_tensors(built, load_file(path))
    except DamagedObject as error:
        raise BadFile(error.problem, hint=_HINT) from error
    except SafetensorError as error:
        raise BadFile("the weights are no safetensors", hint=_HINT) from error
    except _UNBUILDABLE as error:
        why = f"the network of the plan cannot be built: {type(error).__name__}"
        raise BadFile(why, hint=_HINT) from error
    return True


def _built(plan: Plan, members: int) -> nn.Module:
    if members == 1:
        return build_network(plan)
    networks = nn.ModuleList([build_network(plan) for _ in range(members)])
    return nn.ModuleDict({"members": networks})
