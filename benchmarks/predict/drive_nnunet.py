"""Runs in nnU-Net's own environment: its predictor and its export, from NIfTI to NIfTI.

Arguments: the folder of the work, how often. Windows overlap by half and are weighted as it ships;
mirroring, which it has on by default and which takes eight times as long, is off.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from peer_network import load

_PROCESSES = 3


def main(folder: Path, rounds: int) -> None:
    """Set the predictor up once, then predict as often as asked."""
    torch.set_num_threads(os.cpu_count() or 1)
    plan = json.loads((folder / "asked.json").read_text())["plan"]
    plans = PlansManager(_plans(plan))
    configuration = plans.get_configuration("3d_fullres")
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{name: i + 1 for i, name in enumerate(plan["classes"])}},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    network = _network(configuration, len(plan["classes"]) + 1)
    spent = load(network, folder)
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        network, plans, configuration, [network.state_dict()], dataset, "nnUNetTrainer", None
    )
    for _ in range(rounds):
        spent.update(seconds=0.0, windows=0)
        began = time.perf_counter()
        predictor.predict_from_files(
            [[str(folder / "image.nii.gz")]],
            [str(folder / "nnunet")],
            save_probabilities=False,
            num_processes_preprocessing=_PROCESSES,
            num_processes_segmentation_export=_PROCESSES,
        )
        print(
            json.dumps(
                {
                    "total_s": time.perf_counter() - began,
                    "network_s": spent["seconds"],
                    "windows": spent["windows"],
                }
            ),
            file=ANSWERS,
            flush=True,
        )


def _network(configuration: object, outputs: int) -> torch.nn.Module:
    return get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        outputs,
        deep_supervision=False,
    )


def _plans(plan: dict) -> dict:
    low, high = plan["intensity"]["window"]
    levels = len(plan["channels"])
    zooms = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    masks = {**zooms, "is_seg": True, "order": 1}
    logits = {**zooms, "order": 1}
    resampling = "resample_data_or_seg_to_shape"
    return {
        "dataset_name": "Dataset502_Bench",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": plan["spacing_mm"],
        "original_median_shape_after_transp": plan["patch"],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": low,
                "std": high - low,
                "percentile_00_5": low,
                "percentile_99_5": high,
            }
        },
        "configurations": {
            "3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": plan["patch"],
                "median_image_size_in_voxels": plan["patch"],
                "spacing": plan["spacing_mm"],
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "resampling_fn_data": resampling,
                "resampling_fn_seg": resampling,
                "resampling_fn_data_kwargs": zooms,
                "resampling_fn_seg_kwargs": masks,
                "resampling_fn_probabilities": resampling,
                "resampling_fn_probabilities_kwargs": logits,
                "architecture": {
                    "network_class_name": (
                        "dynamic_network_architectures.architectures.unet.PlainConvUNet"
                    ),
                    "arch_kwargs": {
                        "n_stages": levels,
                        "features_per_stage": plan["channels"],
                        "conv_op": "torch.nn.modules.conv.Conv3d",
                        "kernel_sizes": plan["kernels"],
                        "strides": plan["strides"],
                        "n_conv_per_stage": [2] * levels,
                        "n_conv_per_stage_decoder": [2] * (levels - 1),
                        "conv_bias": True,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                        "dropout_op": None,
                        "dropout_op_kwargs": None,
                        "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True},
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
                "batch_dice": False,
            }
        },
    }


if __name__ == "__main__":
    # It prints to stdout; the answers keep the original for themselves.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(Path(sys.argv[1]), int(sys.argv[2]))
