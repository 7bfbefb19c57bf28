"""MONAI's architectures, imported when one is built: MONAI takes seconds and half a gigabyte."""

from typing import Any

from torch import nn

from sightline import extras
from sightline.errors import BadRecipe
from sightline.values.plan import Plan

_MISFITS = (ValueError, TypeError, AssertionError, NotImplementedError, KeyError)


def monai_network(name: str, plan: Plan, arguments: dict[str, Any]) -> nn.Module:
    """Make one of `monai.networks.nets`.

    Args:
        name: of the class.
        plan: it is for; named where it does not fit.
        arguments: of the class.

    Raises:
        MissingExtra: MONAI is not installed.
        BadRecipe: The architecture refuses the arguments.
    """
    kind = getattr(extras.load("monai.networks.nets", extra="learn"), name)
    try:
        network: nn.Module = kind(**arguments)
    except _MISFITS as error:
        raise BadRecipe(
            f"{plan.network} cannot be built so: {error}",
            hint="Change the recipe's network, its settings or the patch.",
        ) from error
    return network
