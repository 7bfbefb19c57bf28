"""Tensors of another network put where they fit, and a report of every one."""

import dataclasses
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from sightline.errors import BadRecipe
from sightline.networks.contract import Network
from sightline.networks.weights import load_tensors, tensors_of

_LEAST_SHARE = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LayerReport:
    """What became of every tensor.

    Attributes:
        loaded: taken as they were.
        adapted: taken changed, with how.
        skipped: of this network, made fresh, with the reason.
        unused: of the other, without a place here.
    """

    loaded: tuple[str, ...]
    adapted: dict[str, str]
    skipped: dict[str, str]
    unused: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """List tensor, what became of it, and why, for people; those first that were changed."""
        for name, how in self.adapted.items():
            yield name, "adapted", how
        for name, why in self.skipped.items():
            yield name, "made fresh", why
        for name in self.unused:
            yield name, "not used", "this network has no such layer"
        for name in self.loaded:
            yield name, "loaded", ""


def fit_tensors(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    kind: Network,
    is_same_head: bool = True,
) -> LayerReport:
    """Copy what fits into a network; the rest of it stays as it is.

    A first layer for another number of channels is adapted: the mean over the channels there,
    repeated for those here and scaled by their ratio, so that images that are alike in all
    channels give what they gave there.

    Args:
        network: of `kind`.
        tensors: by the names of `network`.
        kind: which says what depends on channels and outputs.
        is_same_head: whether the outputs mean the same; otherwise the head stays as it is.

    Raises:
        BadRecipe: Less than half of the network's values would be loaded: it is another one.
    """
    own = tensors_of(network)
    taken: dict[str, torch.Tensor] = {}
    adapted: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name, value in own.items():
        found = tensors.get(name)
        if name.startswith(kind.head) and not is_same_head:
            skipped[name] = "its classes differ"
        elif found is None:
            skipped[name] = "not there"
        elif found.shape == value.shape:
            taken[name] = found
            if found.dtype != value.dtype:
                adapted[name] = f"{found.dtype} there".removeprefix("torch.")
        elif name.startswith(kind.stem) and _differ_in_channels(found, value):
            taken[name] = _spread(found, value.shape[1])
            adapted[name] = f"mean of {found.shape[1]} channels, for {value.shape[1]}"
        else:
            skipped[name] = f"{_words(found)} there, {_words(value)} here"
    _check_share(own, taken, skipped)
    load_tensors(network, own | {name: each.to(own[name].dtype) for name, each in taken.items()})
    return LayerReport(
        loaded=tuple(name for name in taken if name not in adapted),
        adapted=adapted,
        skipped=skipped,
        unused=tuple(sorted(tensors.keys() - _every_name(network))),
    )


def _every_name(network: nn.Module) -> set[str]:
    """Return every name that a tensor goes by; architectures of others list layers twice."""
    parameters = network.named_parameters(remove_duplicate=False)
    buffers = network.named_buffers(remove_duplicate=False)
    return {name for name, _ in (*parameters, *buffers)}


def _differ_in_channels(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dim() == other.dim() > 1 and _without(one.shape) == _without(other.shape)


def _without(shape: torch.Size) -> tuple[int, ...]:
    return (shape[0], *shape[2:])


def _spread(tensor: torch.Tensor, channels: int) -> torch.Tensor:
    there = tensor.shape[1]
    mean = tensor.float().mean(dim=1, keepdim=True) * (there / channels)
    return mean.expand(-1, channels, *tensor.shape[2:])


def _check_share(
    own: Mapping[str, torch.Tensor], taken: Mapping[str, torch.Tensor], skipped: Mapping[str, str]
) -> None:
    wanted = sum(value.numel() for value in own.values())
    share = sum(own[name].numel() for name in taken) / max(wanted, 1)
    if share < _LEAST_SHARE:
        name, why = next(iter(skipped.items()))
        raise BadRecipe(
            f"the weights fit {share:.0%} of the network; of {len(skipped)} layers that do not, "
            f"the first is {name}: {why}",
            hint="Start with the network, channels and strides that the weights were trained with.",
        )


def _words(tensor: torch.Tensor) -> str:
    return " x ".join(str(size) for size in tensor.shape) or "a number"
