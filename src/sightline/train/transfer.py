"""Starting from the weights of an earlier model."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from sightline.errors import DamagedObject
from sightline.networks.contract import Network
from sightline.networks.fitting import LayerReport, fit_tensors
from sightline.predict.model import classes_of


def transfer(
    network: nn.Module, weights: Path, *, kind: Network, classes: tuple[str, ...]
) -> LayerReport:
    """Load the weights of an earlier model; a head for other classes stays fresh.

    Raises:
        DamagedObject: The file cannot be read.
        BadRecipe: They are of another architecture.
    """
    try:
        earlier = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise DamagedObject(
            "the earlier model's weights cannot be read",
            hint="Restore the object from a backup, or start from another model.",
        ) from error
    return fit_tensors(network, earlier, kind=kind, is_same_head=classes_of(weights) == classes)
