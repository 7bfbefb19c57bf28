"""nnU-Net's own trainer, for as long as a test may take."""

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerTwoEpochs(nnUNetTrainer):  # noqa: N801 - nnU-Net finds it by such a name
    """Two epochs of a few steps."""

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cpu"),  # noqa: B008 - nnU-Net's signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 2
        self.num_iterations_per_epoch = 25
        self.num_val_iterations_per_epoch = 2
