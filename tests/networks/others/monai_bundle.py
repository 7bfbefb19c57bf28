"""A bundle of MONAI, made by MONAI's own tools, and what MONAI predicts with it.

Run by the Python of an environment that holds MONAI with ignite and fire:

    python monai_bundle.py OUT [--network SegResNet]

OUT is a bundle as `python -m monai.bundle init_bundle` lays it out, its weights trained for a few
steps, with reference.npz beside: the network's logits of `phantoms.pattern`, and what MONAI's
inferer makes of two of `phantoms.blobs`. `--script` adds models/model.ts by `monai.bundle
ckpt_export`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.losses import DiceCELoss
from phantoms import CLASSES, LARGER, SPACING_MM, blobs, pattern

PATCH = (16, 32, 16)  # x, y, z
NETWORKS = {
    "DynUNet": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": "@classes",
        "kernel_size": [3, [3, 3, 1], 3],
        "strides": [1, 2, [2, 2, 1]],
        "upsample_kernel_size": [2, [2, 2, 1]],
        "filters": [2, 4, 4],
        "deep_supervision": True,
        "deep_supr_num": 1,
    },
    "SegResNet": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": "@classes",
        "init_filters": 8,
        "blocks_down": [1, 1, 1],
        "blocks_up": [1, 1],
    },
}
STEPS = 12


def main() -> None:
    """Make the bundle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", default="SegResNet", choices=sorted(NETWORKS))
    parser.add_argument("--script", action="store_true")
    given = parser.parse_args()
    begin(given.out)
    describe(given.out, given.network)
    config = ConfigParser.load_config_file(given.out / "configs" / "inference.json")
    parser_of_bundle = ConfigParser(config)
    network = parser_of_bundle.get_parsed_content("network_def")
    train(network, parser_of_bundle)
    (given.out / "models").mkdir(exist_ok=True)
    torch.save(network.state_dict(), given.out / "models" / "model.pt")
    if given.script:
        export(given.out)
    refer(given.out, network, parser_of_bundle)


def begin(out: Path) -> None:
    """Let MONAI lay a bundle out."""
    command = [sys.executable, "-m", "monai.bundle", "init_bundle", str(out)]
    subprocess.run(command, check=True)


def describe(out: Path, network: str) -> None:
    """Fill in its metadata and its inference, as bundles of the model zoo have them."""
    path = out / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    channels = {"0": "background"} | {str(k): name for k, name in enumerate(CLASSES, 1)}
    metadata["name"] = "Blobs"
    metadata["network_data_format"] = {
        "inputs": {
            "image": {
                "type": "image",
                "format": "hounsfield",
                "modality": "CT",
                "num_channels": 1,
                "spatial_shape": list(PATCH),
                "dtype": "float32",
                "value_range": [0, 1],
                "is_patch_data": True,
                "channel_def": {"0": "image"},
            }
        },
        "outputs": {
            "pred": {
                "type": "image",
                "format": "segmentation",
                "num_channels": len(channels),
                "spatial_shape": list(PATCH),
                "dtype": "float32",
                "value_range": [0, 1],
                "is_patch_data": True,
                "channel_def": channels,
            }
        },
    }
    path.write_text(json.dumps(metadata, indent=2))
    keys = {"keys": "image"}
    inference = {
        "imports": ["$import glob"],
        "device": "$torch.device('cpu')",
        "classes": len(channels),
        "spacing": list(SPACING_MM),
        "network_def": {"_target_": network, **NETWORKS[network]},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", **keys},
                {"_target_": "EnsureChannelFirstd", **keys},
                {"_target_": "Orientationd", **keys, "axcodes": "RAS"},
                {"_target_": "Spacingd", **keys, "pixdim": "@spacing", "mode": "bilinear"},
                {
                    "_target_": "ScaleIntensityRanged",
                    **keys,
                    "a_min": -400,
                    "a_max": 400,
                    "b_min": 0.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {"_target_": "EnsureTyped", **keys},
            ],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(PATCH),
            "overlap": 0.5,
            "mode": "gaussian",
        },
    }
    (out / "configs" / "inference.json").write_text(json.dumps(inference, indent=2))


def ras(voxels: np.ndarray) -> np.ndarray:
    """Turn an axial stack (z, y, x; towards head, back, left) as `Orientationd` does to RAS."""
    return np.ascontiguousarray(voxels.transpose(2, 1, 0)[::-1, ::-1])


def prepared(voxels: np.ndarray, config: ConfigParser) -> torch.Tensor:
    """Scale an image by the bundle's own transform."""
    scaling = config.get_parsed_content("preprocessing#transforms#4")
    image = torch.from_numpy(ras(voxels).astype(np.float32))[None]
    return torch.as_tensor(np.asarray(scaling({"image": image})["image"]))


def train(network: torch.nn.Module, config: ConfigParser) -> None:
    """Train a little, with MONAI's loss."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    network.train()
    for step in range(STEPS):
        image, mask = blobs(step)
        patch = tuple(slice(0, size) for size in PATCH)
        inputs = prepared(image, config)[(slice(None), *patch)][None]
        truth = torch.from_numpy(ras(mask).astype(np.int64))[patch][None, None]
        answers = network(inputs)
        finest = answers[:, 0] if answers.dim() > inputs.dim() else answers
        optimizer.zero_grad()
        loss(finest, truth).backward()
        optimizer.step()
    network.eval()


def export(out: Path) -> None:
    """Let MONAI script it."""
    arguments = [
        "--net_id",
        "network_def",
        "--filepath",
        str(out / "models" / "model.ts"),
        "--ckpt_file",
        str(out / "models" / "model.pt"),
        "--meta_file",
        str(out / "configs" / "metadata.json"),
        "--config_file",
        str(out / "configs" / "inference.json"),
    ]
    command = [sys.executable, "-m", "monai.bundle", "ckpt_export", *arguments]
    subprocess.run(command, check=True)


def refer(out: Path, network: torch.nn.Module, config: ConfigParser) -> None:
    """Write what MONAI makes of images."""
    patch = torch.from_numpy(pattern((1, 1, *PATCH)) / 64).float()
    inferer = config.get_parsed_content("inferer")

    def drawn(shape: tuple[int, int, int]) -> np.ndarray:
        image = prepared(blobs(100, shape)[0], config)
        answer = inferer(image[None], network)[0].softmax(0).numpy()
        return np.ascontiguousarray(answer[:, ::-1, ::-1].transpose(0, 3, 2, 1))

    with torch.no_grad():
        logits = network(patch).numpy()
        whole, larger = drawn(PATCH[::-1]), drawn(LARGER)
    np.savez_compressed(
        out / "reference.npz",
        # Every fourth voxel is enough to tell, and a file of a few kilobytes.
        logits=logits[..., ::4, ::4, ::4],
        probabilities=whole[..., ::4, ::4, ::4],
        mask=whole.argmax(0).astype(np.uint8),
        larger_mask=larger.argmax(0).astype(np.uint8),
    )


if __name__ == "__main__":
    main()
