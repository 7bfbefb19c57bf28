"""A training of two epochs by nnU-Net itself, and what nnU-Net predicts with it.

Run by the Python of an environment that holds nnU-Net:

    python nnunet_run.py OUT [--configuration 2d] [--planner nnUNetPlannerResEncM] [--channel MRI]

OUT holds plans.json, dataset.json, fold_0/checkpoint_final.pth, and reference.npz: the network's
logits of `phantoms.pattern`, and what nnU-Net's predictor makes of two of `phantoms.blobs`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK
from phantoms import CLASSES, LARGER, SHAPE, SPACING_MM, blobs, pattern

DATASET = "Dataset001_Blobs"
TRAINER = "nnUNetTrainerTwoEpochs"
FEATURES = (2, 4, 4, 4, 4, 4)
CASES = 6
TRAINERS = Path(__file__).parent / "trainers"
STAND_IN = Path(__file__).parent / "stand_in"


def main() -> None:
    """Do everything in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--planner", default="ExperimentPlanner")
    parser.add_argument("--channel", default="CT")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, given.channel)
        plans = plan(folder, given.planner, given.configuration)
        arguments = (DATASET, given.configuration, "0", "-tr", TRAINER, "-p", plans)
        command(folder, "nnUNetv2_train", *arguments, "-device", "cpu")
        trained = folder / "results" / DATASET / f"{TRAINER}__{plans}__{given.configuration}"
        keep(trained, given.out)
    refer(given.out)


def prepare(folder: Path, channel: str) -> None:
    """Write the images as nnU-Net wants them."""
    raw = folder / "raw" / DATASET
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True)
    for number in range(CASES):
        image, mask = blobs(number)
        write_nifti(raw / "imagesTr" / f"blob_{number:03d}_0000.nii.gz", image)
        write_nifti(raw / "labelsTr" / f"blob_{number:03d}.nii.gz", mask)
    labels = {"background": 0} | {name: number for number, name in enumerate(CLASSES, 1)}
    described = {
        "channel_names": {"0": channel},
        "labels": labels,
        "numTraining": CASES,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(described))


def write_nifti(path: Path, voxels: np.ndarray) -> None:
    """Write voxels that lie as axial DICOM slices do."""
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(SPACING_MM)
    SimpleITK.WriteImage(image, str(path))


def plan(folder: Path, planner: str, configuration: str) -> str:
    """Let nnU-Net plan and prepare, then make the network small; return the plans' name."""
    steps = ("-d", "1", "-c", configuration, "-np", "1", "-npfp", "1", "-pl", planner)
    command(folder, "nnUNetv2_plan_and_preprocess", *steps)
    prepared = folder / "preprocessed" / DATASET
    (path,) = prepared.glob("*Plans.json")
    plans = json.loads(path.read_text())
    for each in plans["configurations"].values():
        if "architecture" in each:
            kept = each["architecture"]["arch_kwargs"]
            kept["features_per_stage"] = FEATURES[: kept["n_stages"]]
            each["batch_size"] = 2
    path.write_text(json.dumps(plans))
    return str(plans["plans_name"])


def command(folder: Path, name: str, *arguments: str) -> None:
    """Run a command of nnU-Net's, without processes of its own where it lets us."""
    environment = dict(os.environ) | {
        "nnUNet_raw": str(folder / "raw"),
        "nnUNet_preprocessed": str(folder / "preprocessed"),
        "nnUNet_results": str(folder / "results"),
        "nnUNet_extTrainer": str(TRAINERS),
        "nnUNet_n_proc_DA": "0" if name == "nnUNetv2_train" else "1",
        "nnUNet_def_n_proc": "1",
        "PYTHONPATH": str(STAND_IN),
    }
    program = Path(sys.executable).parent / name
    subprocess.run([str(program), *arguments], env=environment, check=True)


def keep(trained: Path, out: Path) -> None:
    """Copy what a user would hand on."""
    (out / "fold_0").mkdir(parents=True, exist_ok=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        shutil.copyfile(trained / name, out / name)


def refer(out: Path) -> None:
    """Write what nnU-Net makes of an image."""
    os.environ["nnUNet_extTrainer"] = str(TRAINERS)  # noqa: SIM112 - nnU-Net calls it so
    sys.path.insert(0, str(STAND_IN))
    import torch  # noqa: PLC0415 - after the environment is set
    from nnunetv2.inference.data_iterators import (  # noqa: PLC0415
        PreprocessAdapterFromNpy,
    )
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415

    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_mirroring=True, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(out), (0,))
    network = predictor.network.eval()
    size = tuple(predictor.configuration_manager.patch_size)
    patch = torch.from_numpy(pattern((1, 1, *size)) / 64).float()
    with torch.no_grad():
        logits = network(patch).numpy()
    properties = {"spacing": list(SPACING_MM[::-1])}

    def volume(shape: tuple[int, int, int]) -> np.ndarray:
        return blobs(100, shape)[0][None].astype(np.float32)

    # A volume of one window, prepared and looked at from all sides by nnU-Net; its predictor adds
    # windows up in half precision, which is not enough to compare by.
    adapter = PreprocessAdapterFromNpy(
        [volume(SHAPE)],
        [None],
        [properties],
        [None],
        predictor.plans_manager,
        predictor.dataset_json,
        predictor.configuration_manager,
        num_threads_in_multithreaded=1,
    )
    data = next(adapter)["data"]
    is_flat = len(size) == 2
    with torch.no_grad():
        looked = predictor._internal_maybe_mirror_and_predict(  # noqa: SLF001 - it has no other door
            data.transpose(0, 1) if is_flat else data[None]
        )
    looked = looked.transpose(0, 1) if is_flat else looked[0]
    if is_flat:
        logits = logits[:, :, None]
    masks = [
        predictor.predict_single_npy_array(volume(shape), properties).astype(np.uint8)
        for shape in (SHAPE, LARGER)
    ]
    np.savez_compressed(
        out / "reference.npz",
        # Every fourth voxel is enough to tell, and a file of a few kilobytes.
        logits=logits[..., ::4, ::4, ::4],
        probabilities=looked.softmax(0).numpy()[..., ::4, ::4, ::4],
        mask=masks[0],
        larger_mask=masks[1],
    )


if __name__ == "__main__":
    main()
