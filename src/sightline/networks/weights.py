"""The tensors of a network by name, and putting others in their place."""

from collections.abc import Mapping

import torch
from torch import nn

from sightline.errors import DamagedObject


def tensors_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return every parameter and buffer once, under the first of its names.

    dynamic-network-architectures registers layers under several names, so `state_dict` repeats.
    """
    named = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor.detach() for name, tensor in named}


def load_tensors(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors into a network; names, shapes and types must be the network's, all of them.

    Raises:
        DamagedObject: They are not.
    """
    own = tensors_of(network)
    odd = sorted(own.keys() ^ tensors.keys()) or sorted(
        name for name in own if not is_alike(own[name], tensors[name])
    )
    if odd:
        raise DamagedObject(
            f"weights do not fit their network: {len(odd)} tensors differ, the first is {odd[0]}",
            hint="Restore the object from a backup, or train again.",
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def is_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether two tensors have one shape and type."""
    return one.shape == other.shape and one.dtype == other.dtype
