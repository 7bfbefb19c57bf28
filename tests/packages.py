"""Model packages of a tiny network, honest ones and such as no honest publisher would write."""

import hashlib
import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sightline.formats.model_package import write_manifest
from sightline.networks.contract import build_network
from sightline.predict.model import weights_bytes
from sightline.values.package import Described, ModelPackage
from sightline.values.plan import Intensity, Plan
from sightline.values.recipe import Recipe

PUBLISHER = "Institute of Phantoms"
RECIPE = Recipe.from_yaml(
    """
    name: blobs
    title: Two kinds of blob
    accepts: {modality: MR}
    task: {classes: [bright, brighter]}
    inputs: {patch: [8, 16, 16]}
    network: {base_channels: 4, max_channels: 8, levels: 2}
    """
)
PLAN = Plan(
    task="segment",
    classes=("bright", "brighter"),
    modality="MR",
    spacing_mm=(1.5, 1.0, 1.0),
    patch=(8, 16, 16),
    batch=2,
    intensity=Intensity(scheme="robust"),
    network="plain_unet",
    channels=(4, 8),
    strides=((1, 1, 1), (2, 2, 2)),
    kernels=((3, 3, 3), (3, 3, 3)),
    overlap=0.5,
    memory_mb=1,
    reasons={},
)
DESCRIBED = Described(
    name="blobs",
    version="1.0",
    title="Two kinds of blob",
    publisher=PUBLISHER,
    licence="CC0-1.0",
    intended_use="To outline blobs on phantoms. Research use only.",
    limits="Never tested on people.",
    card=("It learned on phantoms.",),
)


class Key:
    """A key of a publisher."""

    def __init__(self, number: int = 1) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = raw.hex()

    def sign(self, message: bytes) -> str:
        return self._private.sign(message).hex()


def tiny_weights(plan: Plan = PLAN) -> bytes:
    """Return weights that nobody trained, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return weights_bytes(build_network(plan), plan.classes)


def manifest_of(files: Mapping[str, bytes], /, **changes: object) -> dict[str, Any]:
    """Return a manifest that names these files by size and digest."""
    package = ModelPackage(
        described=DESCRIBED, weights="safetensors", recipe=RECIPE, plan=PLAN, files=()
    )
    content = json.loads(write_manifest(package)) | {"files": named(files)}
    for place, value in changes.items():
        part = content
        *above, last = place.split("__")
        for name in above:
            part = part[name]
        part[last] = value
    return content


def named(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"name": name, "size_bytes": len(each), "sha256": hashlib.sha256(each).hexdigest()}
        for name, each in files.items()
    ]


def signed(manifest: bytes, key: Key) -> bytes:
    content = {
        "format": "sightline-package-signature",
        "version": 1,
        "public_key": key.public_key,
        "signature": key.sign(manifest),
    }
    return json.dumps(content).encode()


def write_zip(path: Path, entries: Sequence[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    """Write entries as they are told, the same name twice where it is told twice."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # of a name that stands twice
        for name, content in entries:
            archive.writestr(name, content)
    return path


def write(
    path: Path, files: Mapping[str, bytes], /, *, key: Key | None = None, **changes: object
) -> Path:
    """Write a package of these files, signed; `changes` of the manifest as `model__name`."""
    manifest = json.dumps(manifest_of(files, **changes)).encode()
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        ("manifest.json", manifest),
        ("signature.json", signed(manifest, key or Key())),
        *files.items(),
    ]
    return write_zip(path, entries)
