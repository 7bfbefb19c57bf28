"""Runs in MONAI's own environment: its transforms, sliding window, inversion and writer.

Arguments: the folder of the work, `same` or `stock`, how often. `same` lets windows overlap by half
with Gaussian weights; `stock` is its `SlidingWindowInferer` as it is called by default: overlap of
a quarter, constant weights. The logits are brought back to the image's grid and then decided, as
its bundles do.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from monai.data import decollate_batch, list_data_collate
from monai.inferers import SlidingWindowInferer
from monai.transforms import (
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    Invertd,
    LoadImaged,
    Orientationd,
    SaveImaged,
    ScaleIntensityRanged,
    Spacingd,
)
from peer_network import load
from torch import nn


def main(folder: Path, kind: str, rounds: int) -> None:
    """Set everything up once, then predict as often as asked."""
    torch.set_num_threads(os.cpu_count() or 1)
    plan = json.loads((folder / "asked.json").read_text())["plan"]
    network, spent = _network(folder, plan)
    low, high = plan["intensity"]["window"]
    before = Compose(
        [
            LoadImaged(keys="image"),
            EnsureChannelFirstd(keys="image"),
            Orientationd(keys="image", axcodes="SPL", labels=None),
            Spacingd(keys="image", pixdim=plan["spacing_mm"], mode="bilinear"),
            ScaleIntensityRanged(keys="image", a_min=low, a_max=high, b_min=0, b_max=1, clip=True),
        ]
    )
    after = Compose(
        [
            Invertd(
                keys="pred",
                transform=before,
                orig_keys="image",
                nearest_interp=False,
                to_tensor=True,
            ),
            AsDiscreted(keys="pred", argmax=True),
            SaveImaged(
                keys="pred",
                output_dir=folder / "monai",
                output_postfix="seg",
                separate_folder=False,
                print_log=False,
            ),
        ]
    )
    settings = {"overlap": 0.5, "mode": "gaussian"} if kind == "same" else {}
    inferer = SlidingWindowInferer(roi_size=plan["patch"], sw_batch_size=1, **settings)
    for _ in range(rounds):
        spent.update(seconds=0.0, windows=0)
        began = time.perf_counter()
        with torch.inference_mode():
            batch = list_data_collate([before({"image": str(folder / "image.nii.gz")})])
            batch["pred"] = inferer(batch["image"], network)
            for each in decollate_batch(batch):
                after(each)
        seconds = time.perf_counter() - began
        print(
            json.dumps(
                {
                    "total_s": seconds,
                    "network_s": spent["seconds"],
                    "windows": spent["windows"],
                }
            ),
            flush=True,
        )


def _network(folder: Path, plan: dict) -> tuple[nn.Module, dict]:
    levels = len(plan["channels"])
    network = PlainConvUNet(
        input_channels=1,
        n_stages=levels,
        features_per_stage=plan["channels"],
        conv_op=nn.Conv3d,
        kernel_sizes=plan["kernels"],
        strides=plan["strides"],
        n_conv_per_stage=[2] * levels,
        num_classes=len(plan["classes"]) + 1,
        n_conv_per_stage_decoder=[2] * (levels - 1),
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=False,
    )
    return network, load(network, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
