"""What a network is: a title and how to build it from a plan."""

import dataclasses
from collections.abc import Callable

from torch import nn

from sightline.registry import Registry
from sightline.values.plan import Plan


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """One architecture.

    Attributes:
        title: for people.
        build: makes the module. From (batch, 1, slices, rows, columns) it returns a list of
            logits (batch, classes + 1, ...), full resolution first, each next level coarser by the
            plan's strides; in evaluation mode it returns the first alone.
        head: names of parameters that depend on the classes begin so.
    """

    title: str
    build: Callable[[Plan], nn.Module]
    head: tuple[str, ...]


NETWORKS: Registry[Network] = Registry(
    package="sightline.networks", kind=Network, skip=frozenset({"contract", "unet", "weights"})
)
