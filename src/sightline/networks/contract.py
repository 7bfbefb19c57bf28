"""What a network is: a title and how to build it from a plan."""

import dataclasses
from collections.abc import Callable
from typing import Literal

from torch import nn

from sightline.registry import Registry
from sightline.values.plan import Plan


def _as_planned(plan: Plan) -> Plan:
    return plan


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """One architecture.

    Attributes:
        title: for people.
        build: makes the module. It takes (batch, `plan.input_channels`, slices, rows, columns),
            one slice deep where `plan.is_flat`. One that answers `each voxel` returns a list of
            logits (batch, `plan.output_count`, slices, rows, columns), full resolution first, each
            next level coarser by the plan's strides; one that answers `each patch` a list of one
            (batch, `plan.output_count`). In evaluation mode it returns the first alone.
        head: names of parameters that depend on the outputs begin so.
        stem: names of parameters that depend on the input channels begin so; these are their
            second axis.
        answers: what it gives its numbers for.
        adapt: changes a plan that was made by the rules of U-Nets to what this architecture can
            be: its patch is divisible, and channels, strides and kernels are what they will be.
    """

    title: str
    build: Callable[[Plan], nn.Module]
    head: tuple[str, ...]
    stem: tuple[str, ...]
    answers: Literal["each voxel", "each patch"] = "each voxel"
    adapt: Callable[[Plan], Plan] = _as_planned


NETWORKS: Registry[Network] = Registry(
    package="sightline.networks",
    kind=Network,
    skip=frozenset(
        {
            *("contract", "framed", "fitting", "fused", "monai_part", "proving", "sources"),
            *("unet", "weights"),
        }
    ),
)


def adapted(plan: Plan) -> Plan:
    """Change a plan to what its network can be, and say of each change why.

    Raises:
        UnknownName: The network is not installed.
        BadRecipe: The network has no such settings.
    """
    kind = NETWORKS.get(plan.network)
    changed = kind.adapt(plan)
    reasons = {
        field.name: f"as the {kind.title} is built"
        for field in dataclasses.fields(plan)
        if getattr(changed, field.name) != getattr(plan, field.name)
    }
    return dataclasses.replace(changed, reasons=plan.reasons | reasons)


def build_network(plan: Plan) -> nn.Module:
    """Build the network of a plan, its weights drawn from torch's generator.

    Raises:
        UnknownName: The network is not installed.
        MissingExtra: What it stands on is not installed.
        BadRecipe: The network cannot be what the plan says.
    """
    return NETWORKS.get(plan.network).build(plan)
