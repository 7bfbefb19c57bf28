"""Runs in nnU-Net's own environment: its trainer, its loader and augmentation, told by lines.

`prepare` makes fingerprint, plan and prepared data with nnU-Net's own functions; a plan of ours,
where it is given, replaces patch, batch and network. `steps` answers each line `N` on stdin with
the seconds that N training steps took. `train` trains to the end of a schedule that fits a time,
predicts the held-out subjects with nnU-Net's own predictor, and writes their masks.
"""

import json
import multiprocessing
import sys
import time
from pathlib import Path

import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

NAME, NUMBER, CONFIGURATION = "Dataset501_Work", 501, "3d_fullres"
_PROCESSES = min(8, multiprocessing.cpu_count())


def prepare(ours: dict) -> None:
    """Fingerprint, plan, take over our network where it is given, and preprocess."""
    extract_fingerprints([NUMBER], num_processes=_PROCESSES, check_dataset_integrity=False)
    plan_experiments([NUMBER])
    path = Path(str(nnUNet_preprocessed)) / NAME / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    if ours:
        chosen = plans["configurations"][CONFIGURATION]
        chosen["patch_size"], chosen["batch_size"] = ours["patch"], ours["batch"]
        levels = len(ours["channels"])
        chosen["architecture"]["arch_kwargs"].update(
            n_stages=levels,
            features_per_stage=ours["channels"],
            kernel_sizes=ours["kernels"],
            strides=ours["strides"],
            n_conv_per_stage=[2] * levels,
            n_conv_per_stage_decoder=[2] * (levels - 1),
        )
        path.write_text(json.dumps(plans))
    preprocess([NUMBER], configurations=[CONFIGURATION], num_processes=[_PROCESSES])


def trainer_for(device: str, kind: type = nnUNetTrainer) -> nnUNetTrainer:
    """Set nnU-Net's trainer up as its command does for this device."""
    if device == "cpu":
        torch.set_num_threads(multiprocessing.cpu_count())
    else:
        torch.set_num_threads(1)
        torch.backends.cudnn.benchmark = True
    torch.set_num_interop_threads(1)
    folder = Path(str(nnUNet_preprocessed)) / NAME
    plans = json.loads((folder / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    content = json.loads((folder / "dataset.json").read_text())
    return kind(plans, CONFIGURATION, 0, content, torch.device(device))


def steps(device: str) -> None:
    """Time training steps, as often as asked."""
    trainer = trainer_for(device)
    trainer.initialize()
    trainer.set_deep_supervision_enabled(True)
    trainer.dataloader_train, trainer.dataloader_val = trainer.get_dataloaders()
    trainer.network.train()
    trainer.train_step(next(trainer.dataloader_train))
    say({"ready": True})
    for line in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            trainer.train_step(next(trainer.dataloader_train))
        if device != "cpu":
            torch.cuda.synchronize()
        say({"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu})


def train(device: str, minutes: float) -> None:
    """Train with a polynomial schedule that ends in time, then predict the held-out subjects."""
    began = time.perf_counter()
    trainer = trainer_for(device, InTime)
    trainer.until = began + minutes * 60
    trainer.run_training()
    trained = time.perf_counter() - began
    trainer.perform_actual_validation(save_probabilities=False)
    say(
        {
            "seconds": trained,
            "epochs": trainer.num_epochs,
            "iterations": trainer.num_iterations_per_epoch,
            "predictions": str(Path(trainer.output_folder) / "validation"),
        }
    )


class InTime(nnUNetTrainer):
    """nnU-Net's trainer; the number of its epochs is set so that its schedule ends in time.

    An epoch is a fiftieth of the time that is there, its validation a tenth as many iterations as
    it has, instead of 250 and 50; how many iterations that is, is measured on the first ones.
    """

    until = 0.0
    _EPOCHS = 50
    _TRIAL = 10

    def on_train_start(self) -> None:
        """Measure a step with its augmentation, then choose the schedule."""
        super().on_train_start()
        state = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.train()
        for _ in range(3):
            self.train_step(next(self.dataloader_train))
        began = time.perf_counter()
        for _ in range(self._TRIAL):
            self.train_step(next(self.dataloader_train))
        step_s = (time.perf_counter() - began) / self._TRIAL
        self.network.load_state_dict(state)
        self.optimizer, _ = self.configure_optimizers()
        left = (self.until - time.perf_counter()) * 0.94
        self.num_epochs = self._EPOCHS
        # A validation iteration costs about a third of a training iteration.
        each = left / self.num_epochs / step_s
        self.num_iterations_per_epoch = max(1, int(each / (1 + 0.1 / 3)))
        self.num_val_iterations_per_epoch = max(1, self.num_iterations_per_epoch // 10)
        if self.num_iterations_per_epoch == 1:
            self.num_epochs = max(1, int(left / step_s / 1.4))
        self.lr_scheduler = PolyLRScheduler(self.optimizer, self.initial_lr, self.num_epochs)
        self.save_every = self.num_epochs + 1


def say(content: dict) -> None:
    """Answer on the channel that nnU-Net's own printing does not use."""
    ANSWERS.write(json.dumps(content) + "\n")
    ANSWERS.flush()


if __name__ == "__main__":
    import os

    # nnU-Net prints to stdout; the answers keep the original for themselves.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    VERB, REST = sys.argv[1], sys.argv[2:]
    if VERB == "prepare":
        prepare(json.loads(REST[0]))
        say({"prepared": True})
    elif VERB == "steps":
        steps(REST[0])
    else:
        train(REST[0], float(REST[1]))
    # Its workers outlive it otherwise.
    os._exit(0)
