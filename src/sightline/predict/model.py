"""A model ready to be applied: a manifest and weights, nothing that could execute."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Literal, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import nn

from sightline.errors import DamagedObject, MissingExtra, Refused
from sightline.networks.contract import build_network
from sightline.networks.framed import lay_out
from sightline.networks.weights import load_tensors, tensors_of
from sightline.predict.backends.contract import BACK_ENDS, EXACT, NOT_TAKEN, Look
from sightline.predict.ensemble import Ensemble
from sightline.predict.graph import framed_graph
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

_FORMAT = "sightline-model"
_VERSION = 1
# One key only: safetensors does not keep the order of several, and bytes must repeat.
_METADATA_KEY = "sightline"
_GRAPHS_RUN_BY = "onnx_runtime"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelManifest:
    """What applying a model needs besides its weights.

    Attributes:
        recipe: the recipe it was trained by, as YAML.
        classes: class k of a mask is `classes[k - 1]`.
        weights_digest: SHA-256 of their file.
        members: networks of the plan whose answers are averaged; the file holds all of them.
        weights: what the file is. An `onnx` is network and weights in one.
    """

    recipe: str
    plan: Plan
    classes: tuple[str, ...]
    weights_digest: str
    members: int = 1
    weights: Literal["safetensors", "onnx"] = "safetensors"

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return Recipe.from_yaml(self.recipe).name

    def build(self) -> nn.Module:
        """Build its network, or its networks as one.

        Raises:
            UnknownName: The network is not installed.
        """
        networks = [build_network(self.plan) for _ in range(self.members)]
        return networks[0] if self.members == 1 else Ensemble(networks, self.plan)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with format and version."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "recipe": self.recipe,
            "plan": self.plan.to_json(),
            "classes": list(self.classes),
            "weights_digest": self.weights_digest,
            "members": self.members,
            "weights": self.weights,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` made.

        Raises:
            DamagedObject: It is no manifest of a known version.
        """
        if content.get("format") != _FORMAT or content.get("version") != _VERSION:
            raise DamagedObject(
                f"no model manifest of a known version: {content.get('version')!r}",
                hint="It was made by a later Sightline; upgrade this one.",
            )
        return cls(
            recipe=str(content["recipe"]),
            plan=Plan.from_json(content["plan"]),
            classes=tuple(content["classes"]),
            weights_digest=str(content["weights_digest"]),
            members=int(content.get("members", 1)),  # older models are one network
            weights=content.get("weights", "safetensors"),  # and all are safetensors
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A network with its weights, in evaluation mode.

    Attributes:
        look: the network as its back end runs it.
        back_end: name of that.
    """

    network: nn.Module
    manifest: ModelManifest
    device: torch.device
    look: Look
    back_end: str = EXACT

    @classmethod
    def load(cls, weights: Path, manifest: ModelManifest) -> Self:
        """Load weights and check them against the manifest.

        Raises:
            DamagedObject: The file is missing, does not match its digest or its network.
            UnknownName: The network is not installed.
            MissingExtra: They are ONNX, and what runs it is not installed.
        """
        try:
            content = weights.read_bytes()
        except OSError as error:
            raise _damaged(f"weights cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != manifest.weights_digest:
            raise _damaged(f"weights are {digest[:12]}, not {manifest.weights_digest[:12]}")
        if manifest.weights == "onnx":
            return cls.of(framed_graph(content, manifest.plan), manifest)
        network = manifest.build()
        try:
            tensors = load(content)
        except SafetensorError as error:
            raise _damaged("weights are no readable safetensors file") from error
        load_tensors(network, tensors)
        return cls.of(network, manifest)

    @classmethod
    def of(cls, network: nn.Module, manifest: ModelManifest) -> Self:
        """Take a network as it is, on the device where its weights lie."""
        weights = next(network.parameters(), torch.empty(0))
        lay_out(network)
        network.eval()
        look = BACK_ENDS.get(EXACT).ready(network, torch.empty(0))
        back_end = _GRAPHS_RUN_BY if manifest.weights == "onnx" else EXACT
        return cls(
            network=network,
            manifest=manifest,
            device=weights.device,
            look=look,
            back_end=back_end,
        )

    def by(self, name: str) -> Self:
        """Return this model made ready by another back end; it may take a minute.

        Raises:
            UnknownName: There is no such back end.
            MissingExtra: It does not run on this device of this machine.
            Refused: The model is an ONNX graph, and the back end runs networks of torch.
        """
        if self.manifest.weights == "onnx":
            if name not in {EXACT, _GRAPHS_RUN_BY}:
                raise Refused("an ONNX graph is run by ONNX Runtime alone", hint=NOT_TAKEN)
            return self
        kind, plan = BACK_ENDS.get(name), self.manifest.plan
        why = kind.missing(self.device)
        if why:
            raise MissingExtra(f"{kind.title} cannot be had here", hint=f"Reason: {why}.")
        shape = (1, plan.input_channels, *plan.patch)
        look = kind.ready(self.network, torch.zeros(shape, device=self.device))
        return dataclasses.replace(self, look=look, back_end=name)


def weights_bytes(network: nn.Module, classes: tuple[str, ...]) -> bytes:
    """Write a network's weights as safetensors that name their classes."""
    tensors = {name: value.contiguous().cpu() for name, value in tensors_of(network).items()}
    metadata = json.dumps({"format": "sightline-weights", "version": 1, "classes": list(classes)})
    content: bytes = save(tensors, metadata={_METADATA_KEY: metadata})
    return content


def classes_of(weights: Path) -> tuple[str, ...]:
    """Return the classes that a weights file names; none where it is not ours.

    Raises:
        DamagedObject: It is no readable safetensors file.
    """
    try:
        with safe_open(weights, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _damaged("weights are no readable safetensors file") from error
    return tuple(json.loads(metadata.get(_METADATA_KEY, "{}")).get("classes", ()))


def _damaged(problem: str) -> DamagedObject:
    return DamagedObject(problem, hint="Restore the object from a backup, or train again.")
