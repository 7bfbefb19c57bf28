"""A bundle made by MONAI's own tools, once, by tests/networks/others/monai_bundle.py."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sightline.errors import BadFile, Refused
from sightline.networks.contract import build_network
from sightline.networks.sources.contract import Brought, Hints, read_weights
from sightline.networks.weights import tensors_of
from sightline.values.plan import Intensity
from tests.networks.others.comparing import assert_alike, change_json, compare

FOLDER = Path(__file__).parents[2] / "data" / "weights" / "monai"
WINDOW = (16, 32, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a copy that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "folder"))


def change(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - JSON
    change_json(folder / "configs" / "inference.json", **changes)


def read(folder: Path, **hints: str) -> Brought:
    name, brought = read_weights(folder, Hints(**hints))
    assert name == "monai_bundle"
    return brought


def test_network_and_prediction_are_monais() -> None:
    compared = compare(FOLDER, WINDOW, own_axes=True)
    assert_alike(compared)
    assert compared.mask == 1
    assert compared.larger_mask > 0.999


def test_the_plan_is_the_bundles() -> None:
    brought = read(FOLDER)
    plan = brought.plan
    assert plan.classes == ("bright", "brighter")
    assert (plan.modality, plan.network, plan.orientation) == ("CT", "dynunet", "RAS")
    assert plan.spacing_mm == (1.5, 1.0, 1.0)
    assert plan.patch == WINDOW
    assert plan.strides == ((1, 1, 1), (2, 2, 2), (1, 2, 2))
    assert plan.kernels == ((3, 3, 3), (1, 3, 3), (3, 3, 3))
    assert plan.intensity == Intensity(scheme="window", window=(-400.0, 400.0))
    assert plan.overlap == 0.5
    assert brought.origin["bundle"] == "Blobs"


NETWORKS = [
    ({"_target_": "SegResNet", "init_filters": 8, "blocks_down": [1, 2]}, "segresnet"),
    ({"_target_": "monai.networks.nets.VNet", "out_channels": 3}, "vnet"),
    ({"_target_": "SwinUNETR", "feature_size": 12, "img_size": [64, 64, 64]}, "swin_unetr"),
    ({"_target_": "DenseNet121", "spatial_dims": 2, "out_channels": 3}, "densenet121"),
    ({"_target_": "resnet10", "spatial_dims": 2, "num_classes": 3}, "resnet"),
]


@pytest.mark.parametrize(("described", "name"), NETWORKS)
def test_every_network_of_ours_is_built_as_monai_builds_it(
    folder: Path, described: dict[str, Any], name: str
) -> None:
    from monai.networks import nets  # noqa: PLC0415 - it takes a second

    arguments = {k: v for k, v in described.items() if k not in {"_target_", "img_size"}}
    if name in {"segresnet", "swin_unetr"}:
        arguments |= {"in_channels": 1, "out_channels": 3}
    if name == "segresnet":
        arguments["blocks_up"] = [1]
    if name == "densenet121":
        arguments["in_channels"] = 1
    change(folder, network_def={"_target_": described["_target_"], **arguments})
    theirs = getattr(nets, described["_target_"].rpartition(".")[2])(**arguments).eval()
    torch.save(theirs.state_dict(), folder / "models" / "model.pt")
    if arguments.get("spatial_dims") == 2:
        change(folder, inferer={"roi_size": [32, 32]})
    brought = read(folder)
    assert brought.plan.network == name
    is_whole = name in {"densenet121", "resnet"}
    assert brought.plan.task == ("classify" if is_whole else "segment")
    assert len(brought.plan.classes) == (3 if is_whole else 2)
    ours = build_network(brought.plan).eval()
    tensors = tensors_of(ours)
    assert tensors.keys() <= brought.tensors.keys()
    for each, tensor in tensors.items():
        tensor.copy_(brought.tensors[each])
    size = brought.plan.patch
    image = torch.randn((1, brought.plan.input_channels, *size))
    with torch.inference_mode():
        found = ours(image)
        turned = _to_monai(image, is_flat=brought.plan.is_flat)
        wanted = theirs(turned)
    if wanted.dim() == 5:
        wanted = wanted.flip(2, 3).permute(0, 1, 4, 3, 2)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def _to_monai(image: torch.Tensor, *, is_flat: bool) -> torch.Tensor:
    """Turn an image to axes that run right, front (and head)."""
    turned = image.permute(0, 1, 4, 3, 2).flip(2, 3)
    return turned.squeeze(4) if is_flat else turned


def test_a_bundle_of_yaml_with_nested_weights_is_read(folder: Path) -> None:
    path = folder / "configs" / "inference.json"
    path.rename(path.with_suffix(".yaml"))  # JSON is YAML
    weights = folder / "models" / "model.pt"
    torch.save({"model": torch.load(weights), "epoch": 3}, weights)
    assert read(folder).tensors.keys() == read(FOLDER).tensors.keys()


def test_an_expression_is_not_run(folder: Path) -> None:
    described = {"_target_": "SegResNet", "init_filters": "$__import__('os').getpid()"}
    change(folder, network_def=described)
    with pytest.raises(Refused, match="init_filters of its network is an expression"):
        read(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"network_def": {"_target_": "UNETR"}}, "its network is a UNETR"),
        ({"preprocessing": {"transforms": [{"_target_": "HistogramNormalized"}]}}, "Histogram"),
    ],
)
def test_what_is_not_here_is_refused_by_name(
    folder: Path, changes: dict[str, Any], problem: str
) -> None:
    change(folder, **changes)
    with pytest.raises(Refused, match=problem):
        read(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"network_def": "@network_def"},
        {"network_def": None},
        {"network_def": {"_target_": "SegResNet", "init_filters": "@nothing"}},
        {"classes": "@classes"},
        {"inferer": {"roi_size": "$@patch"}, "network_def": {"_target_": "DynUNet"}},
    ],
)
def test_broken_descriptions_are_bad_files(folder: Path, changes: dict[str, Any]) -> None:
    change(folder, **changes)
    with pytest.raises(BadFile):
        read(folder)
