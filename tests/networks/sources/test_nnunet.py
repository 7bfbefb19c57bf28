"""Weights of a training by nnU-Net itself, made once by tests/networks/others/nnunet_run.py."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from sightline.errors import BadFile, Refused
from sightline.networks.sources.contract import Brought, Hints, read_weights
from sightline.values.plan import Intensity
from tests.networks.others.comparing import TOLERANCE, assert_alike, change_json, compare, loaded
from tests.networks.others.phantoms import SHAPE

FOLDER = Path(__file__).parents[2] / "data" / "weights" / "nnunet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a copy that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "folder"))


def change(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - JSON
    """Change the configuration of its plans."""
    path = folder / "plans.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["3d_fullres"] |= changes
    path.write_text(json.dumps(plans))


def read(folder: Path, **hints: str) -> Brought:
    name, brought = read_weights(folder, Hints(**hints))
    assert name == "nnunet"
    return brought


def test_network_and_prediction_are_nnunets() -> None:
    assert_alike(compare(FOLDER, SHAPE))


def test_the_plan_is_nnunets() -> None:
    plan = read(FOLDER).plan
    assert plan.classes == ("bright", "brighter")
    assert (plan.modality, plan.network) == ("CT", "plain_unet")
    assert plan.spacing_mm == (1.5, 1.0, 1.0)
    assert plan.patch == (24, 32, 28)
    assert plan.channels == (2, 4, 4)
    assert plan.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    assert plan.mirror_axes == (0, 1, 2)
    assert plan.intensity.scheme == "fixed"
    assert plan.orientation == "SPL"


@pytest.mark.parametrize(
    ("network", "patch", "blocks"),
    [
        (PlainConvUNet, [32, 24], {"n_conv_per_stage": [2, 2, 2]}),
        (ResidualEncoderUNet, [16, 16, 24], {"n_blocks_per_stage": [1, 3, 4]}),
        (ResidualEncoderUNet, [24, 32], {"n_blocks_per_stage": [1, 2, 2]}),
    ],
)
def test_flat_and_residual_networks_answer_as_nnunets(
    folder: Path,
    network: type[nn.Module],
    patch: list[int],
    blocks: dict[str, Any],
) -> None:
    """The network is nnU-Net's own, built as its plans say."""
    dimensions = len(patch)
    name = f"torch.nn.modules.conv.Conv{dimensions}d"
    arguments = {
        "features_per_stage": [4, 6, 8],
        "n_stages": 3,
        "conv_op": name,
        "kernel_sizes": [[3] * dimensions] * 3,
        "strides": [[1] * dimensions, [2] * dimensions, [1, *[2] * (dimensions - 1)]],
        "n_conv_per_stage_decoder": [1, 2],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
        **blocks,
    }
    change(
        folder,
        architecture={"network_class_name": network.__qualname__, "arch_kwargs": arguments},
        patch_size=patch,
        spacing=[1.0] * dimensions,
    )
    operators = {
        "conv_op": getattr(nn, f"Conv{dimensions}d"),
        "norm_op": getattr(nn, f"InstanceNorm{dimensions}d"),
        "nonlin": nn.LeakyReLU,
    }
    torch.manual_seed(0)
    theirs = network(input_channels=1, num_classes=3, **(arguments | operators)).eval()
    checkpoint = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(checkpoint, weights_only=False)
    mirrored = tuple(range(dimensions))
    changed = {"network_weights": theirs.state_dict(), "inference_allowed_mirroring_axes": mirrored}
    torch.save(content | changed, checkpoint)
    model, report = loaded(read(folder))
    assert not report.skipped
    assert not report.unused
    plan = model.manifest.plan
    assert plan.is_flat == (dimensions == 2)
    assert plan.mirror_axes == ((1, 2) if plan.is_flat else (0, 1, 2))
    image = torch.randn((2, 1, *patch))
    with torch.inference_mode():
        found = model.network(image.unsqueeze(2) if plan.is_flat else image)
        wanted = theirs(image)
    found = found.squeeze(2) if plan.is_flat else found
    torch.testing.assert_close(found, wanted, rtol=TOLERANCE, atol=TOLERANCE)


def test_how_files_lay_is_asked_for_where_nnunet_does_not_say(folder: Path) -> None:
    assert any("--orientation" in note for note in read(folder).notes)
    told = read(folder, orientation="ras")
    assert told.plan.orientation == "SAR"
    assert not told.notes
    change_json(folder / "plans.json", image_reader_writer="NibabelIOWithReorient")
    assert read(folder).plan.orientation == "SAR"


def test_transposed_axes_are_turned_back(folder: Path) -> None:
    change_json(folder / "plans.json", transpose_forward=[1, 0, 2])
    plan = read(folder).plan
    assert plan.orientation == "PSL"
    assert plan.patch == (32, 24, 28)
    assert plan.spacing_mm == (1.0, 1.5, 1.0)


@pytest.mark.parametrize(
    ("scheme", "masked", "wanted"),
    [
        ("ZScoreNormalization", False, Intensity(scheme="deviation", counted="box")),
        ("ZScoreNormalization", True, Intensity(scheme="deviation", counted="nonzero")),
        ("RescaleTo01Normalization", False, Intensity(scheme="range")),
        ("NoNormalization", False, Intensity(scheme="fixed")),
        ("RGBTo01Normalization", False, Intensity(scheme="fixed", width=255.0)),
    ],
)
def test_its_ways_to_scale_intensities_are_ours(
    folder: Path, scheme: str, masked: bool, wanted: Intensity
) -> None:
    change(folder, normalization_schemes=[scheme], use_mask_for_norm=[masked])
    assert read(folder).plan.intensity == wanted


def test_plans_from_before_architectures_were_written_down_are_read(folder: Path) -> None:
    now = read(folder).plan
    change(
        folder,
        architecture=None,
        UNet_class_name="PlainConvUNet",
        UNet_base_num_features=2,
        unet_max_num_features=4,
        conv_kernel_sizes=[[3, 3, 3]] * 3,
        pool_op_kernel_sizes=[[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        n_conv_per_stage_encoder=[2, 2, 2],
        n_conv_per_stage_decoder=[2, 2],
    )
    assert read(folder).plan == now


def test_one_fold_of_several_is_taken_and_named(folder: Path) -> None:
    shutil.copytree(folder / "fold_0", folder / "fold_3")
    assert "fold_0 of 2 folds" in " ".join(read(folder, orientation="LPS").notes)
    brought = read(folder, fold="3")
    assert brought.files[-1].parent.name == "fold_3"
    with pytest.raises(BadFile, match="no checkpoint of fold_4"):
        read(folder, fold="4")


def architecture(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    plans = json.loads((FOLDER / "plans.json").read_text())
    found: dict[str, Any] = plans["configurations"]["3d_fullres"]["architecture"]
    return found | {"arch_kwargs": found["arch_kwargs"] | changes}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"architecture": architecture(norm_op="torch.nn.BatchNorm3d")}, "norm_op BatchNorm3d"),
        ({"architecture": architecture(conv_bias=False)}, "conv_bias False"),
        (
            {"architecture": architecture() | {"network_class_name": "x.Primus"}},
            "its network is a Primus",
        ),
        ({"normalization_schemes": ["Odd"]}, "scales intensities by Odd"),
        ({"previous_stage": "3d_lowres"}, "second stage of a cascade"),
    ],
)
def test_what_is_not_here_is_refused_by_name(
    folder: Path, changes: dict[str, Any], problem: str
) -> None:
    change(folder, **changes)
    with pytest.raises(Refused, match=problem):
        read(folder)


def test_overlapping_regions_are_refused(folder: Path) -> None:
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    change_json(folder / "dataset.json", labels=labels)
    with pytest.raises(Refused, match="overlapping regions"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plans.json", "{"),
        ("plans.json", "[]"),
        ("plans.json", '{"configurations": {}}'),
        ("plans.json", '{"configurations": {"3d_fullres": 3}}'),
        ("dataset.json", "{}"),
        ("dataset.json", '{"labels": {"background": 0, "b": 2}, "channel_names": {"0": "CT"}}'),
        ("fold_0/checkpoint_final.pth", "none"),
    ],
)
def test_broken_files_are_bad_files(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(BadFile) as caught:
        read(folder)
    assert caught.value.hint
