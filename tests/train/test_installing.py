"""Models come out of packages as candidates, once, and predict what they predicted at home."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from sightline.errors import NameTaken, Refused
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.models import models
from sightline.hub.packages import opened, package_of
from sightline.hub.packing import Words, write_model
from sightline.hub.publishers import trust
from sightline.judge.card import card_html
from sightline.networks.contract import adapted, build_network
from sightline.predict.engine import answer
from sightline.predict.graph import as_graph
from sightline.predict.model import Model, ModelManifest, weights_bytes
from sightline.train.importing import export_model
from sightline.train.installing import install
from sightline.train.packing import graph_of
from sightline.train.session import check_trainable
from sightline.values.geometry import Geometry
from sightline.values.model import ModelRecord
from sightline.values.plan import Plan
from sightline.values.volume import Volume
from tests.hostile_kit import Kit
from tests.learning import AXIAL, blobs
from tests.packages import (
    DESCRIBED,
    PLAN,
    PUBLISHER,
    Key,
    manifest_of,
    tiny_weights,
    write,
    write_zip,
)

NAME = "weights.safetensors"
WORDS = Words(publisher=PUBLISHER, licence="CC0", intended_use="blobs", limits="phantoms <b>")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = Hub.at(tmp_path / "hub")
    trust(made, PUBLISHER, Key().public_key)
    return made


def installed(
    hub: Hub, path: Path, *, name: str = "", may_be_unsigned: bool = False
) -> ModelRecord:
    with opened(hub, path, may_be_unsigned=may_be_unsigned) as vouched:
        return install(hub, vouched, name=name)


def loaded(hub: Hub, record: ModelRecord) -> Model:
    with hub.objects.local_copies([record.weights_digest]) as (weights,):
        return Model.load(weights, ModelManifest.from_json(record.manifest))


def volume_of(seed: int) -> Volume:
    image, _ = blobs(seed)
    geometry = Geometry.from_affine(image.shape, AXIAL)
    return Volume(voxels=image, geometry=geometry, modality="MR", slope=1.0, intercept=0.0)


def test_a_package_becomes_a_candidate_with_lineage(hub: Hub, tmp_path: Path) -> None:
    made = installed(hub, write(tmp_path / "a.zip", {NAME: tiny_weights()}))
    assert (made.label, made.state) == ("blobs@1", "candidate")
    # What is stored is written by us, and is what the same training gives here.
    assert hub.objects.get(made.weights_digest) == tiny_weights()
    steps = [step.node for step in trace(hub, "blobs@1", "up").steps]
    assert [node.kind for node in steps] == ["run", "package", "recipe"]
    package, found = steps[1], package_of(hub, made)
    assert found is not None
    assert found.described == DESCRIBED
    assert package.facts["digest"] == found.digest
    assert package.facts["publisher"] == PUBLISHER
    assert package.facts["signed by"] == Key().public_key
    assert package.facts["intended use"] == DESCRIBED.intended_use
    assert package.facts["limits"] == DESCRIBED.limits


def test_a_repeat_is_the_same_model(hub: Hub, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {NAME: tiny_weights()})
    first, second = installed(hub, path), installed(hub, path, name="otherwise")
    assert (first.label, first.weights_digest) == (second.label, second.weights_digest)
    assert len(models(hub)) == 1


def test_the_next_version_of_a_publisher_is_the_next_version_here(hub: Hub, tmp_path: Path) -> None:
    installed(hub, write(tmp_path / "a.zip", {NAME: tiny_weights()}))
    path = write(tmp_path / "b.zip", {NAME: tiny_weights()}, model__version="1.1")
    assert installed(hub, path).label == "blobs@2"


def test_a_stranger_does_not_become_the_newest_of_our_own(hub: Hub, tmp_path: Path) -> None:
    trust(hub, "Somebody Else", Key(2).public_key)
    installed(hub, write(tmp_path / "a.zip", {NAME: tiny_weights()}))
    path = write(
        tmp_path / "b.zip", {NAME: tiny_weights()}, key=Key(2), model__publisher="Somebody Else"
    )
    with pytest.raises(NameTaken, match="did not come from Somebody Else"):
        installed(hub, path)
    assert installed(hub, path, name="blobs-else").label == "blobs-else@1"


def test_what_nobody_signed_says_so_for_ever(hub: Hub, tmp_path: Path) -> None:
    manifest = json.dumps(manifest_of({NAME: tiny_weights()})).encode()
    path = write_zip(tmp_path / "a.zip", [("manifest.json", manifest), (NAME, tiny_weights())])
    made = installed(hub, path, may_be_unsigned=True)
    found = package_of(hub, made)
    assert found is not None
    assert not found.is_signed
    assert trace(hub, "blobs@1", "up").steps[1].node.facts["signed by"] == "nobody"
    assert "Nobody signed it" in card_html(hub, "blobs")
    # Signed, it is another package, and cannot follow one of which nobody knows who made it.
    signed = write(tmp_path / "b.zip", {NAME: tiny_weights()})
    with pytest.raises(NameTaken):
        installed(hub, signed)


@pytest.mark.parametrize("kind", ["monai", "nnunet"])
def test_folders_of_others_come_in_packages(hub: Hub, tmp_path: Path, kind: str) -> None:
    kit = Kit(tmp_path, 0)
    made = installed(hub, kit.monai({}) if kind == "monai" else kit.honest_nnunet())
    assert made.label == "blobs@1"
    assert loaded(hub, made).manifest.classes == ("bright", "brighter")
    assert package_of(hub, made) is not None


def test_several_networks_come_as_one(hub: Hub, tmp_path: Path) -> None:
    networks = torch.nn.ModuleList([build_network(PLAN) for _ in range(2)])
    weights = weights_bytes(torch.nn.ModuleDict({"members": networks}), PLAN.classes)
    made = installed(hub, write(tmp_path / "a.zip", {NAME: weights}, weights__members=2))
    assert answer(loaded(hub, made), volume_of(1)).segmentation is not None


def test_a_card_shows_what_the_publisher_says_escaped(hub: Hub, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.zip",
        {NAME: tiny_weights()},
        model__limits="<script>alert(1)</script>",
        model__card=["<img src=x onerror=alert(1)>"],
    )
    installed(hub, path)
    card = card_html(hub, "blobs")
    assert "<script" not in card
    assert "<img src=x" not in card
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in card


def test_a_model_goes_from_hub_to_hub(hub: Hub, tmp_path: Path) -> None:
    made = installed(hub, write(tmp_path / "a.zip", {NAME: tiny_weights()}))
    write_model(hub, made, tmp_path / "b.zip", words=WORDS, signer=Key())
    other = Hub.at(tmp_path / "other")
    trust(other, PUBLISHER, Key().public_key)
    again = installed(other, tmp_path / "b.zip")
    assert again.weights_digest == made.weights_digest
    found = package_of(other, again)
    assert found is not None
    assert found.described.card[-1] == "Its publisher did not evaluate it."


def flat(plan: Plan) -> Plan:
    return dataclasses.replace(
        plan,
        patch=(1, 16, 16),
        strides=((1, 1, 1), (1, 2, 2)),
        kernels=((1, 3, 3), (1, 3, 3)),
    )


CLASSIFYING = adapted(
    dataclasses.replace(PLAN, task="classify", network="small_resnet", outputs=2, patch=(8, 16, 16))
)


@pytest.mark.parametrize(
    "plan", [PLAN, flat(PLAN), dataclasses.replace(PLAN, orientation="RAS"), CLASSIFYING]
)
def test_a_graph_says_what_its_network_says(hub: Hub, tmp_path: Path, plan: Plan) -> None:
    network = build_network(plan).eval()
    graph, turned = as_graph(network, plan)
    task = {"kind": plan.task, "classes": list(plan.classes)}
    if plan.task == "classify":
        task["target"] = "blob"
    path = write(
        tmp_path / "a.zip",
        {"weights.onnx": graph},
        weights__kind="onnx",
        plan=turned.to_json(),
        recipe__task=task,
    )
    made = installed(hub, path)
    ours = loaded(hub, made)
    assert (ours.back_end, ours.by("eager").back_end) == ("onnx_runtime", "onnx_runtime")
    window = torch.randn(1, 1, *plan.patch)
    with torch.inference_mode():
        expected = network(window)
    torch.testing.assert_close(ours.look(window), expected, rtol=0, atol=1e-4)
    home = Model.of(network, dataclasses.replace(ours.manifest, plan=plan, weights="safetensors"))
    theirs, own = answer(home, volume_of(3)), answer(ours, volume_of(3))
    if theirs.segmentation is None or own.segmentation is None:
        assert own.numbers == pytest.approx(theirs.numbers, abs=1e-4)
    else:
        same = own.segmentation.mask == theirs.segmentation.mask
        assert same.mean() > 0.999


def test_a_graph_is_applied_alone(hub: Hub, tmp_path: Path) -> None:
    first = installed(hub, write(tmp_path / "a.zip", {NAME: tiny_weights()}))
    graph = graph_of(hub, first)
    write_model(hub, first, tmp_path / "b.zip", words=WORDS, signer=Key(), graph=graph)
    made = installed(hub, tmp_path / "b.zip", name="graph")
    with pytest.raises(Refused, match="ONNX Runtime alone"):
        loaded(hub, made).by("openvino")
    with pytest.raises(Refused, match="can only be applied"):
        check_trainable(made)
    with pytest.raises(Refused, match="no source of weights reads"):
        export_model(hub, made, tmp_path / "folder")
    # It goes on as a package, as it is.
    write_model(hub, made, tmp_path / "c.zip", words=WORDS, signer=Key())
    assert installed(hub, tmp_path / "c.zip", name="again").weights_digest == made.weights_digest
