"""Starting from the weights of an earlier model."""

import dataclasses
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from sightline.errors import BadRecipe, DamagedObject
from sightline.networks.weights import is_alike, load_tensors, tensors_of
from sightline.predict.model import classes_of


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """What a fine-tuning took over, parameter by parameter.

    Attributes:
        loaded: taken from the earlier model.
        skipped: made fresh, with the reason.
    """

    loaded: tuple[str, ...]
    skipped: dict[str, str]


def transfer(
    network: nn.Module, weights: Path, *, classes: tuple[str, ...], head: tuple[str, ...]
) -> Transfer:
    """Load the weights of an earlier model; a head for other classes stays fresh.

    Raises:
        DamagedObject: The file cannot be read.
        BadRecipe: A layer besides the head does not match: it is another architecture.
    """
    try:
        earlier = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise DamagedObject(
            "the earlier model's weights cannot be read",
            hint="Restore the object from a backup, or start from another model.",
        ) from error
    own = tensors_of(network)
    is_same_head = classes_of(weights) == classes
    skipped: dict[str, str] = {}
    for name, value in own.items():
        is_head = name.startswith(head)
        if is_head and not is_same_head:
            skipped[name] = "its classes differ"
        elif name not in earlier or not is_alike(earlier[name], value):
            raise BadRecipe(
                f"the earlier model has no layer {name} of shape {tuple(value.shape)}",
                hint="Fine-tune with the network the earlier model was trained with.",
            )
    loaded = tuple(name for name in own if name not in skipped)
    load_tensors(network, own | {name: earlier[name] for name in loaded})
    return Transfer(loaded=loaded, skipped=skipped)
