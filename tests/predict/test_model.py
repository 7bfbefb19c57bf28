import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from sightline.errors import DamagedObject
from sightline.networks.contract import NETWORKS
from sightline.networks.weights import tensors_of
from sightline.predict.model import Model, ModelManifest, classes_of, weights_bytes
from tests.learning import RECIPE, examples, planned


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, ModelManifest]:
    plan = planned(examples(tmp_path, 1))
    torch.manual_seed(1)
    content = weights_bytes(NETWORKS.get(plan.network).build(plan), plan.classes)
    return _keep(tmp_path, content), ModelManifest(
        recipe=RECIPE.to_yaml(),
        plan=plan,
        classes=plan.classes,
        weights_digest=hashlib.sha256(content).hexdigest(),
    )


def _keep(folder: Path, content: bytes) -> Path:
    path = folder / "weights"
    path.write_bytes(content)
    return path


def test_weights_come_back_as_they_were(saved: tuple[Path, ModelManifest]) -> None:
    path, manifest = saved
    model = Model.load(path, manifest)
    assert weights_bytes(model.network, manifest.classes) == path.read_bytes()
    assert classes_of(path) == ("bright", "brighter")
    assert not model.network.training


def test_a_manifest_survives_json(saved: tuple[Path, ModelManifest]) -> None:
    _, manifest = saved
    assert ModelManifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert manifest.name == "blobs"


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "else"}, {"plan": {"version": 1}}])
def test_a_manifest_of_another_version_is_refused(
    saved: tuple[Path, ModelManifest], change: dict[str, object]
) -> None:
    _, manifest = saved
    with pytest.raises(DamagedObject):
        ModelManifest.from_json(manifest.to_json() | change)


def test_one_flipped_bit_is_found(saved: tuple[Path, ModelManifest]) -> None:
    path, manifest = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedObject, match="weights are"):
        Model.load(path, manifest)


def test_missing_weights_are_said(saved: tuple[Path, ModelManifest]) -> None:
    path, manifest = saved
    path.unlink()
    with pytest.raises(DamagedObject, match="cannot be read"):
        Model.load(path, manifest)


@pytest.mark.parametrize("hostile", [b"", b"\x80\x04cos\nsystem\n", b"\xff" * 64])
def test_what_is_no_safetensors_file_is_refused(
    saved: tuple[Path, ModelManifest], tmp_path: Path, hostile: bytes
) -> None:
    _, manifest = saved
    digest = hashlib.sha256(hostile).hexdigest()
    with pytest.raises(DamagedObject, match="no readable safetensors"):
        Model.load(_keep(tmp_path, hostile), dataclasses.replace(manifest, weights_digest=digest))


def test_weights_of_another_network_are_refused(
    saved: tuple[Path, ModelManifest], tmp_path: Path
) -> None:
    _, manifest = saved
    tensors = tensors_of(NETWORKS.get("plain_unet").build(manifest.plan))
    content = save({name: value for name, value in tensors.items() if "seg_layers" not in name})
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(DamagedObject, match="do not fit"):
        Model.load(_keep(tmp_path, content), dataclasses.replace(manifest, weights_digest=digest))
